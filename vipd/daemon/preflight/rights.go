package preflight

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vipd/vipd/control"
)

// A daemon that may not change addresses must not be given one: it could neither serve it
// nor let go of it. What the kernel allows shows only in trying, because capabilities are
// one of several things that decide: user namespaces, seccomp filters and security modules
// refuse as well. So the daemon sends a request that can't succeed and looks at which error
// comes first.

// right is a capability that the daemon can't work without.
type right struct {
	bit  int
	name string
	does string // what it is for
}

var (
	netAdmin = right{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "to add and remove addresses"}
	netRaw   = right{unix.CAP_NET_RAW, "CAP_NET_RAW", "to send and read ARP and neighbour discovery"}
)

// remedy is what an operator does where a right is missing.
const remedy = "run vipd as root, or give the service both with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW"

// Rights watches what the kernel allows this process in one network namespace.
type Rights struct {
	try   func() error // asks the kernel to add an address where none can be; nil: it would be allowed
	Close func()
}

// NewRights returns rights that try decides, for a kernel that is a test's.
func NewRights(try func() error) *Rights { return &Rights{try: try, Close: func() {}} }

// OpenRights looks at the rights of this process in the calling thread's network
// namespace. It fails with control.CodePermission where the daemon could never work, and
// names every right that is missing.
func OpenRights() (*Rights, error) {
	conn, err := openProbe()
	if err != nil {
		return nil, err
	}
	r := &Rights{try: conn.try, Close: conn.close}
	if err := errors.Join(r.Missing(), rawAllowed()); err != nil {
		conn.close()
		return nil, control.Errorf(control.CodePermission, "%s; %s", strings.ReplaceAll(err.Error(), "\n", "; "), remedy)
	}
	return r, nil
}

// Missing returns which right the daemon lacks to change addresses now, nil if none.
func (r *Rights) Missing() error {
	if r == nil {
		return nil
	}
	if err := r.try(); err != nil {
		return netAdmin.lacking(err)
	}
	return nil
}

// rawAllowed tries to open a raw socket. One of AF_INET asks for the same right as those
// that read and send frames, and its end waits for no grace period of the kernel.
func rawAllowed() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return netRaw.lacking(err)
	}
	unix.Close(fd)
	return nil
}

// lacking says what is missing, and whether the capability or something else is.
func (r right) lacking(err error) error {
	held, failed := capabilitiesOf("thread-self")
	if failed == nil && held&(1<<r.bit) != 0 {
		return fmt.Errorf("%s is held but does not count here, %s: %w (is the network namespace another user namespace's, or does a security module or seccomp filter refuse?)", r.name, r.does, err)
	}
	return fmt.Errorf("%s is missing, %s: %w", r.name, r.does, err)
}

// capabilitiesOf reads the effective capabilities of a process, or of "thread-self".
func capabilitiesOf(process string) (uint64, error) {
	file, err := os.Open("/proc/" + process + "/status")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		}
	}
	return 0, fmt.Errorf("process %s shows no capabilities", process)
}

// rightsProbe is an rtnetlink socket for requests that can't succeed.
type rightsProbe struct {
	mu sync.Mutex // held from the request to its answer
	fd int
}

// probeWait bounds the wait for the kernel's answer, which comes within the system call.
const probeWait = time.Second

func openProbe() (*rightsProbe, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	wait := unix.NsecToTimeval(int64(probeWait))
	err = errors.Join(unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait))
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up a netlink socket: %w", err)
	}
	return &rightsProbe{fd: fd}, nil
}

func (p *rightsProbe) close() { unix.Close(p.fd) }

// try asks for an address on an interface that can't exist: the kernel looks at the rights
// first, so that only EPERM and EACCES speak of them.
func (p *rightsProbe) try() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer := make([]byte, 4096)
	if err := unix.Sendto(p.fd, probeRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return RightsRefusal(err)
	}
	n, _, err := unix.Recvfrom(p.fd, answer, 0)
	if err != nil || n < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return nil // no answer says nothing of rights
	}
	return RightsRefusal(unix.Errno(-int32(binary.NativeEndian.Uint32(answer[unix.NLMSG_HDRLEN:]))))
}

// RightsRefusal is the error if it is one of rights, nil for any other.
func RightsRefusal(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return err
	}
	return nil
}

// probeRequest is RTM_NEWADDR of 192.0.2.255 (RFC 5737) for the interface of the greatest
// index:
//
//	nlmsghdr 16 | ifaddrmsg 8 | LOCAL 8
func probeRequest() []byte {
	const size = unix.NLMSG_HDRLEN + unix.SizeofIfAddrmsg + unix.SizeofRtAttr + 4
	b := binary.NativeEndian.AppendUint32(nil, size)
	b = binary.NativeEndian.AppendUint16(b, unix.RTM_NEWADDR)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	b = append(b, make([]byte, 8)...) // sequence, port
	b = append(b, unix.AF_INET, 32, 0, unix.RT_SCOPE_LINK)
	b = binary.NativeEndian.AppendUint32(b, math.MaxInt32)
	b = binary.NativeEndian.AppendUint16(b, unix.SizeofRtAttr+4)
	b = binary.NativeEndian.AppendUint16(b, unix.IFA_LOCAL)
	return append(b, 192, 0, 2, 255)
}

// Permission gives an error of the start that comes of a missing right its exit code. One
// that ends a running daemon has none: another start may help.
func Permission(err error) error {
	var refused *control.Error
	if errors.As(err, &refused) || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return control.Errorf(control.CodePermission, "%v: run vipd as root, or give its user this right", err)
}
