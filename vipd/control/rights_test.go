package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestMayChange(t *testing.T) {
	const own, admins = 990, 480
	with, without := rights{daemon: own, group: new(uint32(admins))}, rights{daemon: own}
	tests := []struct {
		name   string
		rights rights
		caller Caller
		want   bool
	}{
		{"root", with, Caller{UID: 0}, true},
		{"root without the group", without, Caller{UID: 0}, true},
		{"the daemon's own user", with, Caller{UID: own}, true},
		{"the daemon's own user without the group", without, Caller{UID: own}, true},
		{"member by primary group", with, Caller{UID: 1000, Groups: []uint32{admins}}, true},
		{"member by supplementary group", with, Caller{UID: 1000, Groups: []uint32{4, 27, admins, 1000}}, true},
		{"other user", with, Caller{UID: 1000, Groups: []uint32{1000}}, false},
		{"no groups at all", with, Caller{UID: 1000}, false},
		{"group root is not user root", with, Caller{UID: 1000, Groups: []uint32{0}}, false},
		{"member where the host has no group", without, Caller{UID: 1000, Groups: []uint32{admins}}, false},
		{"group number equal to the daemon's user", with, Caller{UID: 1000, Groups: []uint32{own}}, false},
		{"nobody", with, Caller{UID: 65534, Groups: []uint32{65534}}, false},
	}
	for _, tt := range tests {
		if got := tt.rights.mayChange(tt.caller); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestCallerOf reads this process's own credentials through a socket.
func TestCallerOf(t *testing.T) {
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: SocketPath(shortDir(t)), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := net.Dial("unix", ln.Addr().String()); err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}()
	c, err := ln.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	who, err := callerOf(c)
	if err != nil {
		t.Fatal(err)
	}
	if int(who.UID) != os.Getuid() || int(who.PID) != os.Getpid() {
		t.Errorf("got %+v, want user %d and process %d", who, os.Getuid(), os.Getpid())
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range append(groups, os.Getgid()) {
		if !slices.Contains(who.Groups, uint32(g)) {
			t.Errorf("group %d is missing in %v", g, who.Groups)
		}
	}
}

// TestStrangerReadsOnly: a user without rights who gets as far as the socket
// reads the status and the events, and may change nothing.
func TestStrangerReadsOnly(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	const uid, admins = 12345, 54321
	d := &fakeDaemon{status: pair()}
	dir := shortDir(t)
	s, _ := start(t, dir, d, NewJournal())
	s.socket.rights.group = new(uint32(admins))
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(SocketPath(dir), -1, uid)); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	refused := map[string]func(*Client) error{
		"move": func(c *Client) error {
			_, err := c.Move(ctx, MoveRequest{Token: "vip:front", To: "hist-b"})
			return err
		},
		"release": func(c *Client) error { _, err := c.Release(ctx, ReleaseRequest{Token: "vip:front"}); return err },
		"suspend": func(c *Client) error { _, err := c.Suspend(ctx, SuspendRequest{}); return err },
		"resume":  func(c *Client) error { _, err := c.Resume(ctx, ResumeRequest{}); return err },
		"reload":  func(c *Client) error { _, err := c.Reload(ctx, ReloadRequest{}); return err },
		"restart": func(c *Client) error { _, err := c.Restart(ctx, RestartRequest{}); return err },
	}
	stranger, member := dialAs(dir, uid, uid), dialAs(dir, uid, uid, admins)
	for name, do := range refused {
		if err := do(stranger); !permission(err) {
			t.Errorf("%s as a stranger: %v", name, err)
		}
	}
	if asked := d.requests(); len(asked) != 0 {
		t.Errorf("the daemon was asked %v", asked)
	}
	for name, do := range refused {
		if err := do(member); err != nil {
			t.Errorf("%s as a member: %v", name, err)
		}
	}
	_, err1 := stranger.Status(ctx)
	_, err2 := stranger.Events(ctx, 0)
	if err := errors.Join(err1, err2); err != nil {
		t.Errorf("reading as a stranger: %v", err)
	}
	if err := os.Chown(SocketPath(dir), -1, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Status(ctx); !permission(err) {
		t.Errorf("socket closed to the caller: %v", err)
	}
}

// dialAs makes a client that connects as another user. Credentials belong to
// a thread, and the kernel notes those of the thread that connects; it ends
// with its goroutine.
func dialAs(dir string, uid int, groups ...int) *Client {
	connect := func() (net.Conn, error) {
		runtime.LockOSThread()
		list := make([]uint32, len(groups))
		for i, g := range groups {
			list[i] = uint32(g)
		}
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(unsafe.Pointer(&list[0])), 0},
			{unix.SYS_SETRESGID, uintptr(groups[0]), uintptr(groups[0]), uintptr(groups[0])},
			{unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				return nil, errno
			}
		}
		return net.Dial("unix", SocketPath(dir))
	}
	type result struct {
		conn net.Conn
		err  error
	}
	dial := func(context.Context, string, string) (net.Conn, error) {
		done := make(chan result, 1)
		go func() {
			c, err := connect()
			done <- result{c, err}
		}()
		r := <-done
		return r.conn, r.err
	}
	return &Client{http: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

func permission(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodePermission
}
