package preflight

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
	"vipd/vipd/control"
)

// printRights says what a process without further rights of its own may do.
func printRights() int {
	_, err := OpenRights()
	fmt.Println(err)
	return 0
}

// What can never work is refused with each right by name, and nothing else is.
func TestRightsAtTheStart(t *testing.T) {
	t.Parallel()
	a := rig.Start(t).Host("a")
	for _, c := range []struct {
		lost       []int
		want, free []string
	}{
		{nil, nil, nil},
		{[]int{unix.CAP_SYS_NICE, unix.CAP_IPC_LOCK, unix.CAP_SYS_ADMIN}, nil, nil},
		{[]int{unix.CAP_NET_ADMIN}, []string{"CAP_NET_ADMIN is missing"}, []string{"CAP_NET_RAW is"}},
		{[]int{unix.CAP_NET_RAW}, []string{"CAP_NET_RAW is missing"}, []string{"CAP_NET_ADMIN is"}},
		{[]int{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}, []string{"CAP_NET_ADMIN is missing", "CAP_NET_RAW is missing"}, nil},
	} {
		rig.Without(t, a, func() {
			r, err := OpenRights()
			if err == nil {
				r.Close()
			}
			var refused *control.Error
			if (err == nil) != (c.want == nil) || err != nil && (!errors.As(err, &refused) || refused.Code != control.CodePermission) {
				t.Errorf("without %v: %v", c.lost, err)
			}
			for _, part := range c.want {
				if err != nil && !strings.Contains(err.Error(), part) {
					t.Errorf("without %v: %v does not say %q", c.lost, err, part)
				}
			}
			for _, part := range c.free {
				if err != nil && strings.Contains(err.Error(), part) {
					t.Errorf("without %v: %v says %q", c.lost, err, part)
				}
			}
		}, c.lost...)
	}
}

// Capabilities that do not count for this network namespace are no rights: the attempt
// shows it, the capabilities don't.
func TestRightsOfAnotherUserNamespace(t *testing.T) {
	t.Parallel()
	a := rig.Start(t).Host("a")
	var out []byte
	err := a.Do(func() (err error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperVariable+"=rights")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}}
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		t.Skipf("needs user namespaces: %v: %s", err, out)
	}
	for _, want := range []string{"CAP_NET_ADMIN is held but does not count here", "CAP_NET_RAW is held but does not count here"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("said %s, want %q", out, want)
		}
	}
}

// A right that is lost, and one that comes back, shows at the next look.
func TestRightsThatComeAndGo(t *testing.T) {
	t.Parallel()
	a := rig.Start(t).Host("a")
	var r *Rights
	if err := a.Do(func() (err error) { r, err = OpenRights(); return err }); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 3 {
		rig.Without(t, a, func() {
			if err := r.Missing(); err == nil {
				t.Error("not missed")
			}
		}, unix.CAP_NET_ADMIN)
		rig.Without(t, a, func() {
			if err := r.Missing(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The look changes nothing on the host.
func TestTheLookAtRightsLeavesNothing(t *testing.T) {
	t.Parallel()
	a := rig.Start(t).Host("a")
	addresses := func() (list string) {
		a.Do(func() error {
			all, err := localAddresses()
			list = fmt.Sprint(all)
			return err
		})
		return list
	}
	before := addresses()
	if err := a.Do(func() error { _, err := OpenRights(); return err }); err != nil {
		t.Fatal(err)
	}
	if after := addresses(); after != before {
		t.Errorf("addresses before %s, after %s", before, after)
	}
}

// An error of the start that comes of a right has the exit code of one, with what it was;
// any other keeps its own.
func TestPermissionAtTheStart(t *testing.T) {
	held := control.Errorf(control.CodeHeld, "another vipd")
	for _, c := range []struct {
		err  error
		code int
	}{
		{fmt.Errorf("make run dir: %w", &os.PathError{Op: "mkdir", Path: "/run/vipd", Err: unix.EACCES}), control.CodePermission},
		{fmt.Errorf("open: %w", unix.EPERM), control.CodePermission},
		{errors.Join(errors.New("close"), unix.EPERM), control.CodePermission},
		{fmt.Errorf("listen: %w", held), control.CodeHeld},
		{fmt.Errorf("open: %w", unix.EROFS), 0},
		{errors.New("no network"), 0},
	} {
		var refused *control.Error
		got := Permission(c.err)
		if errors.As(got, &refused) != (c.code != 0) || refused != nil && refused.Code != c.code || !strings.Contains(got.Error(), c.err.Error()) {
			t.Errorf("%v became %v, want code %d", c.err, got, c.code)
		}
	}
}
