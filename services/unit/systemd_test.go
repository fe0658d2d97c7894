package unit

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// fakeSystemd answers as org.freedesktop.systemd1 on a bus of its own.
type fakeSystemd struct {
	t       *testing.T
	dir     string // of its socket and its drop-ins
	mu      sync.Mutex
	socket  net.Listener
	conns   map[*dbus.Conn]bool
	units   map[string]*fakeUnit
	jobs    uint32
	reloads int
	looks   int // how often a client asked how a unit is
}

// fakeUnit is one service. Its behaviour is set before it is used.
type fakeUnit struct {
	name, id               string // as it is asked for, and its own
	load, file             string
	active, sub, result    string
	code, status           int32
	invocation             byte
	dropIns, parts         []string
	slice, controlGroup    string // as it was read last; where the processes are
	environment            string // as its last start read it
	residents              []resident
	starts                 int  // since the last reset
	umbrella               bool // it runs /bin/true
	fails, oneshot         bool // each start fails; ends when it is done
	stubborn, leaves, hard bool // stops by SIGKILL alone; leaves a process; not even by SIGKILL
	silent, mute           bool // its next job has no end; nor an answer, for the client is sent away
}

// startLimit is StartLimitBurst= as it is by default.
const startLimit = 5

// startSystemd starts the fake, with one disabled unit of the name.
func startSystemd(t *testing.T, name string) (*fakeSystemd, *fakeUnit) {
	f := &fakeSystemd{t: t, dir: t.TempDir(), conns: make(map[*dbus.Conn]bool), units: make(map[string]*fakeUnit)}
	u := &fakeUnit{name: name, id: name, load: "loaded", file: "disabled", active: "inactive", sub: "dead", result: "success"}
	f.units[name] = u
	f.open()
	t.Cleanup(f.close)
	return f, u
}

func (f *fakeSystemd) path() string    { return filepath.Join(f.dir, "bus") }
func (f *fakeSystemd) dropIns() string { return filepath.Join(f.dir, "system") }

// open lets clients come.
func (f *fakeSystemd) open() {
	socket, err := net.Listen("unix", f.path())
	if err != nil {
		f.t.Fatal(err)
	}
	f.socket = socket
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			f.serve(conn)
		}
	}()
}

// close sends all clients away, and lets none come.
func (f *fakeSystemd) close() {
	f.socket.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		conn.Close()
		delete(f.conns, conn)
	}
}

// serve admits one client and gives it the objects.
func (f *fakeSystemd) serve(client net.Conn) {
	if err := admit(client); err != nil {
		f.t.Error(err)
		return
	}
	ready := make(chan struct{})
	defer close(ready)
	conn, err := dbus.NewConn(&admitted{Conn: client, answers: strings.NewReader("REJECTED EXTERNAL\r\nOK 00\r\n"), ready: ready})
	if err == nil {
		err = conn.Auth([]dbus.Auth{dbus.AuthExternal("0")})
	}
	for _, object := range []struct {
		methods     any
		path, iface string
	}{
		{&fakeBus{}, "/org/freedesktop/DBus", "org.freedesktop.DBus"},
		{&fakeManager{f, conn}, string(managerPath), managerIface},
	} {
		if err == nil {
			err = conn.Export(object.methods, dbus.ObjectPath(object.path), object.iface)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.units {
		if err == nil {
			err = conn.Export(&fakeProperties{f, u}, unitPath(u.name), "org.freedesktop.DBus.Properties")
		}
	}
	if err != nil {
		f.t.Error(err)
		return
	}
	f.conns[conn] = true
}

// admit is the server's part of the D-Bus authentication.
func admit(client net.Conn) error {
	var line []byte
	for octet := make([]byte, 1); ; {
		if _, err := client.Read(octet); err != nil {
			return err
		}
		if line = append(line, octet[0]); !strings.HasSuffix(string(line), "\r\n") {
			continue
		}
		var answer string
		switch text := strings.Trim(string(line), "\x00\r\n"); {
		case text == "BEGIN":
			return nil
		case text == "AUTH":
			answer = "REJECTED EXTERNAL\r\n"
		case strings.HasPrefix(text, "AUTH EXTERNAL"):
			answer = "OK 00\r\n"
		default:
			answer = "ERROR\r\n"
		}
		if _, err := client.Write([]byte(answer)); err != nil {
			return err
		}
		line = nil
	}
}

// admitted is a client whose authentication is over, for a library that only
// knows how to be one itself: it gets the answers that it wants, and what it says
// for its own part is dropped. The client is heard when all is ready.
type admitted struct {
	net.Conn
	answers *strings.Reader
	ready   <-chan struct{}
	begun   bool
}

func (a *admitted) Read(p []byte) (int, error) {
	if a.answers.Len() > 0 {
		return a.answers.Read(p)
	}
	<-a.ready
	return a.Conn.Read(p)
}

func (a *admitted) Write(p []byte) (int, error) {
	if a.begun {
		return a.Conn.Write(p)
	}
	a.begun = string(p) == "BEGIN\r\n"
	return len(p), nil
}

type fakeBus struct{}

func (*fakeBus) Hello() (string, *dbus.Error)     { return ":1.1", nil }
func (*fakeBus) AddMatch(rule string) *dbus.Error { return nil }

type fakeProperties struct {
	f *fakeSystemd
	u *fakeUnit
}

func (p *fakeProperties) GetAll(iface string) (map[string]dbus.Variant, *dbus.Error) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	p.f.looks++
	u := p.u
	all := map[string]any{
		"Result": u.result, "ExecMainCode": u.code, "ExecMainStatus": u.status, "ControlGroup": u.controlGroup,
	}
	if u.umbrella {
		type command struct {
			Path string
			Args []string
		}
		all["Type"], all["ExecStart"] = "oneshot", []command{{"/bin/true", []string{"/bin/true"}}}
	}
	if strings.HasSuffix(iface, ".Unit") {
		why := ""
		if u.load == "error" {
			why = "Invalid argument"
		}
		all = map[string]any{
			"Id": u.id, "LoadState": u.load, "UnitFileState": u.file, "ActiveState": u.active, "SubState": u.sub,
			"InvocationID": []byte{u.invocation}, "DropInPaths": append([]string{}, u.dropIns...),
			"ConsistsOf": u.parts, "LoadError": struct{ Name, Text string }{"", why},
		}
	}
	variants := make(map[string]dbus.Variant)
	for name, value := range all {
		variants[name] = dbus.MakeVariant(value)
	}
	return variants, nil
}

// fakeManager is the manager object, as one client has it.
type fakeManager struct {
	f    *fakeSystemd
	conn *dbus.Conn
}

func noSuchUnit(name string) *dbus.Error {
	return dbus.NewError(managerName+".NoSuchUnit", []any{"Unit " + name + " not loaded."})
}

func (m *fakeManager) Subscribe() *dbus.Error { return nil }

func (m *fakeManager) Reload() *dbus.Error {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	m.f.reloads++
	for _, u := range m.f.units {
		u.dropIns, _ = filepath.Glob(filepath.Join(m.f.dropIns(), u.name+".d", "*.conf"))
		u.slice = cmp.Or(u.setting("Slice="), "system.slice")
	}
	return nil
}

func (m *fakeManager) ResetFailedUnit(name string) *dbus.Error {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	u := m.f.units[name]
	if u == nil {
		return noSuchUnit(name)
	}
	u.starts, u.result = 0, "success"
	if u.active == "failed" {
		u.active, u.sub = "inactive", "dead"
	}
	return nil
}

func (m *fakeManager) StartUnit(name, mode string) (dbus.ObjectPath, *dbus.Error) {
	return m.job(name, func(u *fakeUnit) string {
		if u.active == "active" {
			return "done"
		}
		u.starts++
		switch {
		case u.starts > startLimit:
			u.set("failed", "failed", "start-limit-hit", 0, 0)
			return "failed"
		case u.fails:
			u.set("failed", "failed", "exit-code", codeExited, 3)
			return "failed"
		case u.oneshot:
			u.set("inactive", "dead", "success", codeExited, 0)
			return "done"
		}
		u.up()
		return "done"
	})
}

func (m *fakeManager) StopUnit(name, mode string) (dbus.ObjectPath, *dbus.Error) {
	return m.job(name, func(u *fakeUnit) string {
		switch {
		case u.silent:
			u.silent = false
			return ""
		case u.stubborn:
			u.set("deactivating", "stop-sigterm", "success", 0, 0)
			return ""
		case u.leaves && u.residents != nil:
			u.set("inactive", "dead", "success", codeExited, 0)
			u.residents = u.residents[1:]
		case u.residents == nil || !u.hard:
			u.set("inactive", "dead", "success", codeExited, 0)
			u.residents = nil
		}
		return "done"
	})
}

// job does what a job is for and tells of its result, "" for none yet.
func (m *fakeManager) job(name string, do func(*fakeUnit) string) (dbus.ObjectPath, *dbus.Error) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	if strings.HasSuffix(name, ".slice") {
		m.f.slice(name)
	}
	u := m.f.units[name]
	if u == nil {
		return "", noSuchUnit(name)
	}
	m.f.jobs++
	number := m.f.jobs
	path := managerPath + dbus.ObjectPath(fmt.Sprintf("/job/%d", number))
	if u.mute {
		m.conn.Close()
		delete(m.f.conns, m.conn)
		u.mute = false
		return path, nil
	}
	if result := do(u); result != "" {
		for conn := range m.f.conns {
			conn.Emit(managerPath, managerIface+".JobRemoved", number, path, name, result)
		}
	}
	m.f.tell(u)
	return path, nil
}

func (m *fakeManager) KillUnit(name, who string, signal int32) *dbus.Error {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	u := m.f.units[name]
	if !u.hard {
		u.set("failed", "failed", "signal", codeKilled, signal)
		u.residents = nil
	}
	m.f.tell(u)
	return nil
}

func (m *fakeManager) GetUnitProcesses(name string) ([]resident, *dbus.Error) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	u := m.f.units[name]
	if u == nil || u.active == "inactive" && u.residents == nil {
		return nil, noSuchUnit(name)
	}
	return append([]resident{}, u.residents...), nil
}

func unitPath(name string) dbus.ObjectPath {
	return managerPath + "/unit/" + dbus.ObjectPath(systemd.PathBusEscape(name))
}

func (u *fakeUnit) set(active, sub, result string, code, status int32) {
	u.active, u.sub, u.result, u.code, u.status = active, sub, result, code, status
}

// up starts the unit, with the environment that its drop-ins name now.
func (u *fakeUnit) up() {
	u.set("active", "running", "success", 0, 0)
	if strings.HasSuffix(u.name, ".slice") {
		return
	}
	u.invocation++
	u.residents = []resident{{"/system.slice", 4711, "/usr/bin/postgres -D /srv"}, {"/system.slice", 4712, "postgres: writer"}}
	environment, _ := os.ReadFile(u.setting("EnvironmentFile=-"))
	u.environment = string(environment)
	u.controlGroup = "/" + u.slice + "/" + u.name
}

// setting is what the drop-ins say for a key, the last of them.
func (u *fakeUnit) setting(key string) (value string) {
	for _, path := range u.dropIns {
		text, _ := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if found, ok := strings.CutPrefix(line, key); ok {
				value = strings.TrimSpace(found)
			}
		}
	}
	return value
}

// slice makes a slice, which needs no file, with its control group.
func (f *fakeSystemd) slice(name string) {
	if f.units[name] != nil {
		return
	}
	u := &fakeUnit{name: name, id: name, load: "loaded", active: "inactive", controlGroup: "/" + sliceHome + "/" + name}
	f.units[name] = u
	if err := os.MkdirAll(filepath.Join(f.dir, u.controlGroup), 0o755); err != nil {
		f.t.Error(err)
	}
	for conn := range f.conns {
		if err := conn.Export(&fakeProperties{f, u}, unitPath(name), "org.freedesktop.DBus.Properties"); err != nil {
			f.t.Error(err)
		}
	}
}

// tell tells all clients that something of the unit has changed.
func (f *fakeSystemd) tell(u *fakeUnit) {
	changed := map[string]dbus.Variant{"ActiveState": dbus.MakeVariant(u.active)}
	for conn := range f.conns {
		conn.Emit(unitPath(u.id), "org.freedesktop.DBus.Properties.PropertiesChanged", managerName+".Unit", changed, []string{})
	}
}

// change does something to a unit, and tells.
func (f *fakeSystemd) change(u *fakeUnit, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	f.tell(u)
}

// crash lets the unit's processes die by a signal.
func (f *fakeSystemd) crash(u *fakeUnit, signal int32) {
	f.change(u, func() {
		u.set("failed", "failed", "signal", codeKilled, signal)
		u.residents = nil
	})
}

// state reads what the fake has.
func (f *fakeSystemd) state(u *fakeUnit) (state fakeUnit, reloads int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	state = *u
	state.residents = slices.Clone(u.residents)
	return state, f.reloads
}
