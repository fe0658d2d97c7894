package unit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// Names of systemd on its bus.
const (
	managerName  = "org.freedesktop.systemd1"
	managerPath  = dbus.ObjectPath("/org/freedesktop/systemd1")
	managerIface = managerName + ".Manager"
	ownSocket    = "unix:path=/run/systemd/private" // systemd itself, for root, with no bus between
)

// ErrNoSystemd says that nobody answers as systemd here.
var ErrNoSystemd = errors.New("no systemd")

// link is a connection to systemd that hears of one unit's changes.
type link struct {
	*systemd.Conn
	manager dbus.BusObject
	changed <-chan struct{} // something of the unit is new; look what
	lost    <-chan struct{} // closed when the bus has gone away
}

// alive says whether the bus is there.
func (l *link) alive() bool {
	select {
	case <-l.lost:
		return false
	default:
		return l.Connected()
	}
}

// broken says whether an error is for want of a bus, and no answer of systemd.
func (l *link) broken(err error) bool {
	var transport *net.OpError
	return errors.As(err, &transport) || !l.alive()
}

// signalsWaiting is how many signals may wait until they are taken together.
const signalsWaiting = 16

// dial connects to systemd at the address, or where it usually is.
func dial(ctx context.Context, address, unit string) (*link, error) {
	if address != "" {
		return dialAt(ctx, address, unit)
	}
	address = os.Getenv("DBUS_SYSTEM_BUS_ADDRESS")
	if address == "" {
		address = "unix:path=/run/dbus/system_bus_socket"
	}
	l, err := dialAt(ctx, address, unit)
	if err != nil && os.Geteuid() == 0 {
		own, ownErr := dialAt(ctx, ownSocket, unit)
		if ownErr == nil {
			return own, nil
		}
		err = errors.Join(err, ownErr)
	}
	return l, err
}

// dialAt connects twice, as go-systemd wants it: for calls and for signals. When
// ctx ends before all is said, the connections end too: not every call of the
// libraries takes a context.
func dialAt(ctx context.Context, address, unit string) (*link, error) {
	life, end := context.WithCancel(context.Background())
	inTime := context.AfterFunc(ctx, end)
	defer inTime()
	var last *dbus.Conn
	conn, err := systemd.NewConnection(func() (_ *dbus.Conn, err error) {
		last, err = greet(life, address)
		return last, err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: connect to systemd at %s: %w", ErrNoSystemd, address, err)
	}
	l := &link{Conn: conn, manager: last.Object(managerName, managerPath)}
	if err := l.listen(ctx, last, address, unit); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: listen to systemd at %s: %w", ErrNoSystemd, address, err)
	}
	return l, nil
}

// greet opens one connection, as this user. Only a bus wants a Hello.
func greet(life context.Context, address string) (*dbus.Conn, error) {
	conn, err := dbus.Dial(address, dbus.WithContext(life))
	if err != nil {
		return nil, err
	}
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))})
	if err == nil && address != ownSocket {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// listen asks for the signals about the unit and folds them into one: news is
// there. Whoever is slow misses none that matters. They come from the unit's own
// name, where it is called by another one (Alias=).
func (l *link) listen(ctx context.Context, conn *dbus.Conn, address, unit string) error {
	c, err := l.condition(ctx, unit)
	if err != nil {
		return err
	}
	signals := make(chan *dbus.Signal, signalsWaiting)
	changed, lost := make(chan struct{}, 1), make(chan struct{})
	l.changed, l.lost = changed, lost
	conn.Signal(signals)
	path := managerPath + "/unit/" + dbus.ObjectPath(systemd.PathBusEscape(c.id))
	go func() {
		defer close(lost)
		for s := range signals {
			if s.Path != path {
				continue
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	err = conn.AddMatchSignalContext(ctx, dbus.WithMatchObjectPath(path), dbus.WithMatchInterface("org.freedesktop.DBus.Properties"))
	if err != nil && address != ownSocket { // there, where no bus is, all is sent
		return err
	}
	return l.manager.CallWithContext(ctx, managerIface+".Subscribe", 0).Err
}

// job starts or stops the unit by one of the two calls, and waits for the
// result that systemd gives the job. Anything but "done" is an error.
func (l *link) job(ctx context.Context, call func(context.Context, string, string, chan<- string) (int, error), unit string) error {
	result := make(chan string, 1)
	if _, err := call(ctx, unit, "replace", result); err != nil {
		return err
	}
	select {
	case text := <-result:
		if text != "done" {
			return fmt.Errorf("systemd's job: %s", text)
		}
		return nil
	case <-l.lost:
		return errors.New("the bus went away before the result")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// resident is one process of a unit, as GetUnitProcesses gives it.
type resident struct {
	Cgroup  string
	PID     uint32
	Command string
}

// processes lists who lives in the unit's control group. systemd knows of none
// where the unit is not loaded any more.
func (l *link) processes(ctx context.Context, unit string) (names []string, err error) {
	var list []resident
	err = l.manager.CallWithContext(ctx, managerIface+".GetUnitProcesses", 0, unit).Store(&list)
	if isNot(err, "NoSuchUnit") {
		return nil, nil
	}
	for _, r := range list {
		names = append(names, survivor(int(r.PID), printable(r.Command, lineMax)))
	}
	return names, err
}

// isNot says whether systemd refused with the error of that name.
func isNot(err error, name string) bool {
	var refusal dbus.Error
	return errors.As(err, &refusal) && refusal.Name == managerName+"."+name
}
