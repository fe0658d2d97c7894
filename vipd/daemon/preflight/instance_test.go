package preflight

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
	"vipd/vipd/control"
)

// helper starts a helper in the host and returns it with the first line that it writes.
func helper(t *testing.T, h *rig.Host, name string, env ...string) (*rig.Proc, string) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	p, err := h.Start(rig.Process{Path: os.Args[0], Stdout: write, Stderr: write, Env: append(env, helperVariable+"="+name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); read.Close() })
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return p, strings.TrimSuffix(line, "\n")
}

// claimAndStay is a daemon that has just begun.
func claimAndStay() int {
	only, err := ClaimInstance()
	if err != nil {
		fmt.Println(err)
		var e *control.Error
		if errors.As(err, &e) {
			return e.Code
		}
		return control.CodeFailed
	}
	fmt.Printf("alone, doubt %q\n", only.Doubt)
	time.Sleep(time.Hour)
	return 0
}

// squat has the name without the right to be a daemon.
func squat() int {
	if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
		fmt.Println("can't be another user")
		return 1
	}
	return claimAndStay()
}

// claimAndExec replaces itself as a restart does; the second image finds its way by the
// variable that the first one took away.
func claimAndExec() int {
	only, err := ClaimInstance()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	os.Setenv(helperVariable, "claim")
	fmt.Println(only.Exec(os.Args[0], os.Args, os.Environ()))
	return 1
}

func exitCode(t *testing.T, p *rig.Proc) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var exit interface{ ExitCode() int }
	if err := p.Wait(ctx); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

// One daemon of a network namespace, whatever its mounts and its run dir are; the name is
// free as soon as its process is gone, and not before.
func TestOneInstance(t *testing.T) {
	t.Parallel()
	lab := rig.Start(t)
	a, b := lab.Host("a"), lab.Host("b")
	for range 3 {
		first, said := helper(t, a, "claim")
		if said != `alone, doubt ""` {
			t.Fatalf("the first: %s", said)
		}
		first.Signal(syscall.SIGSTOP) // it may go on
		second, said := helper(t, a, "claim")
		if want := fmt.Sprintf("another vipd runs in this network namespace (pid %d)", first.PID()); !strings.HasPrefix(said, want) {
			t.Errorf("the second says %q, want %q", said, want)
		}
		if got := exitCode(t, second); got != control.CodeHeld {
			t.Errorf("the second ends with %d, want %d", got, control.CodeHeld)
		}
		elsewhere, said := helper(t, b, "claim")
		if said != `alone, doubt ""` {
			t.Errorf("in another network namespace: %s", said)
		}
		elsewhere.Kill()
		first.Kill()
	}
}

// A restart keeps the name without a gap, and what is started later does not have it.
func TestInstanceOutlivesARestart(t *testing.T) {
	t.Parallel()
	a := rig.Start(t).Host("a")
	p, said := helper(t, a, "exec")
	if said != `alone, doubt ""` {
		t.Fatalf("the new image: %s", said)
	}
	if _, said := helper(t, a, "claim"); !strings.Contains(said, fmt.Sprintf("(pid %d)", p.PID())) {
		t.Errorf("another one: %s", said)
	}
	sockets := 0
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID()))
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); !strings.HasPrefix(target, "socket:") {
			continue
		}
		sockets++
		if flags := flagsOf(t, p.PID(), filepath.Base(fd)); flags&unix.O_CLOEXEC == 0 {
			t.Errorf("descriptor %s goes to children, its flags are %o", filepath.Base(fd), flags)
		}
	}
	if sockets != 1 {
		t.Errorf("it has %d sockets, want one", sockets)
	}
	p.Kill()
	if _, said := helper(t, a, "claim"); said != `alone, doubt ""` {
		t.Errorf("after its end: %s", said)
	}
}

// flagsOf are the flags of a process's descriptor.
func flagsOf(t *testing.T, pid int, fd string) (flags uint64) {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, fd))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(info), "pos:\t%d\nflags:\t%o", new(int), &flags); err != nil {
		t.Fatalf("%v in %q", err, info)
	}
	return flags
}

// A process that may not be a daemon can take the name, but keeps none from running.
func TestInstanceNameOfAStranger(t *testing.T) {
	t.Parallel()
	a := rig.Start(t).Host("a")
	stranger, said := helper(t, a, "squat")
	if said != `alone, doubt ""` {
		t.Skipf("needs another user: %s", said)
	}
	want := fmt.Sprintf("process %d of user 65534 has the socket %s and is no vipd", stranger.PID(), instanceName)
	if _, said := helper(t, a, "claim"); !strings.HasPrefix(said, `alone, doubt "`+want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

// A descriptor that is not the socket is not taken for it.
func TestInheritedInstanceIsLookedAt(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	for _, value := range []string{"", "x", "-1", "99999", fmt.Sprint(file.Fd()), fmt.Sprint(pair[0])} {
		t.Setenv(instanceVariable, value)
		if got := inheritedInstance(); got != nil {
			t.Errorf("%q was taken for the socket", value)
		}
		if _, left := os.LookupEnv(instanceVariable); left {
			t.Errorf("%q is left for children", value)
		}
	}
}

// A daemon in a container that shares the network is found too, although its process is
// not to be seen from there.
func TestInstanceInAContainer(t *testing.T) {
	t.Parallel()
	a := rig.Start(t).Host("a")
	if _, said := helper(t, a, "claim"); said != `alone, doubt ""` {
		t.Fatal(said)
	}
	var out []byte
	err := a.Do(func() (err error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperVariable+"=claim")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		out, err = cmd.CombinedOutput()
		return err
	})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != control.CodeHeld || !strings.Contains(string(out), "its process is not visible from here") {
		t.Errorf("%v: %s", err, out)
	}
}
