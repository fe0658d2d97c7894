package preflight

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"vipd/vipd/control"
)

// instanceName is an abstract socket (unix(7)) that one daemon of a network namespace
// listens on. Two daemons there fight for the same addresses and filters, whatever their
// run dirs and mounts are. The kernel frees the name when the process ends, however that
// happens.
const instanceName = "@vipd.instance"

// instanceVariable hands the socket to the program that a restart puts in the place of
// this one: its value is the descriptor's number.
const instanceVariable = "VIPD_INSTANCE"

// Instance is the proof that this is the only daemon of its network namespace.
type Instance struct {
	socket *os.File // nil where the host does not allow to find out
	Doubt  string   // why it is not known whether another daemon runs; "" if it is
}

// ClaimInstance makes this process the one daemon of the calling thread's network
// namespace. It fails with control.CodeHeld where another one lives, also one that is
// stopped: it may go on.
func ClaimInstance() (*Instance, error) {
	if file := inheritedInstance(); file != nil {
		return &Instance{socket: file}, nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return &Instance{Doubt: fmt.Sprintf("open a unix socket: %v", err)}, nil
	}
	file := os.NewFile(uintptr(fd), instanceName)
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: instanceName}); err == nil {
		err = unix.Listen(fd, 1)
	}
	if err == nil {
		return &Instance{socket: file}, nil
	}
	file.Close()
	if !errors.Is(err, unix.EADDRINUSE) {
		return &Instance{Doubt: fmt.Sprintf("listen on %s: %v", instanceName, err)}, nil
	}
	return otherInstance()
}

// otherInstance judges the process that has the name. Any process may take an abstract
// name; one without the right to hold an address is no vipd and must not keep one from
// running.
func otherInstance() (*Instance, error) {
	owner, err := instanceOwner()
	if err == nil && !mayBeDaemon(owner) {
		return &Instance{Doubt: fmt.Sprintf("process %d of user %d has the socket %s and is no vipd; end it", owner.Pid, owner.Uid, instanceName)}, nil
	}
	who := "its process is not visible from here, as in another container"
	if err == nil && owner.Pid > 0 {
		who = "pid " + strconv.Itoa(int(owner.Pid))
	}
	return nil, control.Errorf(control.CodeHeld, "another vipd runs in this network namespace (%s): two would fight for the same addresses; stop that one first", who)
}

// instanceOwner asks the kernel which process listens on the name.
func instanceOwner() (owner unix.Ucred, err error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: instanceName, Net: "unix"})
	if err != nil {
		return owner, err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return owner, err
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		var u *unix.Ucred
		if u, refused = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); refused == nil {
			owner = *u
		}
	})
	return owner, errors.Join(err, refused)
}

// mayBeDaemon reports whether the process could be a vipd: it is root's or this user's,
// or has the right to set addresses. In doubt it could.
func mayBeDaemon(owner unix.Ucred) bool {
	if owner.Uid == 0 || int(owner.Uid) == os.Geteuid() || owner.Pid <= 0 {
		return true
	}
	held, err := capabilitiesOf(strconv.Itoa(int(owner.Pid)))
	return err != nil || held&(1<<unix.CAP_NET_ADMIN) != 0 && sameUsers(int(owner.Pid))
}

// sameUsers reports whether the process is in this one's user namespace, where its
// capabilities count here. What can't be read counts as the same.
func sameUsers(pid int) bool {
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return true
	}
	ours, err := os.Stat("/proc/self/ns/user")
	return err != nil || os.SameFile(ours, theirs)
}

// inheritedInstance takes over the socket of the program before a restart, if there is
// one and it is what it should be.
func inheritedInstance() *os.File {
	fd, err := strconv.Atoi(os.Getenv(instanceVariable))
	os.Unsetenv(instanceVariable) // hooks have no use for it
	if err != nil {
		return nil
	}
	address, err := unix.Getsockname(fd)
	name, ok := address.(*unix.SockaddrUnix)
	listens, refused := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || !ok || name.Name != instanceName || refused != nil || listens == 0 {
		return nil
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), instanceName)
}

// Exec replaces the program and leaves it the socket. No process may be started
// meanwhile: it would have the socket too, and outlive this daemon with it.
func (i *Instance) Exec(path string, args, env []string) error {
	if i == nil || i.socket == nil {
		return syscall.Exec(path, args, env)
	}
	fd := i.socket.Fd()
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	unix.FcntlInt(fd, unix.F_SETFD, 0)
	err := syscall.Exec(path, args, append(env, fmt.Sprintf("%s=%d", instanceVariable, fd)))
	unix.CloseOnExec(int(fd))
	return err
}

// Close gives the name up.
func (i *Instance) Close() {
	if i != nil && i.socket != nil {
		i.socket.Close()
	}
}
