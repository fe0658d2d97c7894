package watchdog

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/host/cgroup"
	"vipd/testlab/rig"
)

// This program is a watchdog, a daemon or a service when its first argument says so.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "keeper":
			os.Exit(beKeeper(os.Args[2], os.Args[3]))
		case "daemon":
			os.Exit(beDaemon(os.Args[2], os.Args[3]))
		case "starter":
			os.Exit(beStarter(os.Args[2], os.Args[3]))
		case "service":
			time.Sleep(time.Minute)
			os.Exit(0)
		}
	}
	os.Exit(rig.Main(m))
}

func beKeeper(runDir, root string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := Run(context.Background(), Options{RunDir: runDir, Root: root, Log: log}); err != nil {
		fmt.Fprintln(os.Stderr, "keeper:", err)
		return 1
	}
	return 0
}

// The stand-in of a daemon renews the guard of one group until that fails.
const (
	daemonLease   = 200 * time.Millisecond
	daemonRenews  = daemonLease / 10
	exitKilled    = 10 // the watchdog has killed the group
	exitOtherwise = 1
)

func beDaemon(runDir, group string) int {
	p, err := OpenPage(runDir)
	if err == nil {
		err = p.Guard(group, boot.Now().Add(daemonLease))
	}
	for err == nil {
		time.Sleep(daemonRenews)
		err = p.Renew(group, boot.Now().Add(daemonLease))
	}
	fmt.Fprintln(os.Stderr, "daemon:", err)
	if err.Error() == "renew "+group+": "+ErrKilled.Error() {
		return exitKilled
	}
	return exitOtherwise
}

// place is where a test happens: a run directory, and a folder for control groups.
type place struct {
	t            *testing.T
	runDir, root string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	rig.Need(t, rig.Netns)
	mount, err := cgroup.Root()
	if err != nil {
		rig.Missing(t, "cgroup2", err)
	}
	root, err := os.MkdirTemp(mount, "vipd-test-keeper-")
	if err != nil {
		rig.Missing(t, "cgroup2", err)
	}
	t.Cleanup(func() { removeGroup(t, root) })
	return &place{t, t.TempDir(), root}
}

// removeGroup kills and removes a control group and those below.
func removeGroup(t *testing.T, path string) {
	os.WriteFile(filepath.Join(path, cgroup.KillFile), []byte("1"), 0)
	below, _ := filepath.Glob(path + "/*/cgroup.procs")
	for _, file := range below {
		awaited(func() bool { return gone(filepath.Dir(file)) })
	}
	if !awaited(func() bool { return gone(path) }) {
		t.Errorf("%s is left", path)
	}
}

func gone(path string) bool { return os.Remove(path) == nil || !exists(path) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// group makes a control group.
func (p *place) group(name string) string {
	p.t.Helper()
	path := filepath.Join(p.root, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		rig.Missing(p.t, "cgroup2", err)
	}
	return path
}

// page opens the daemon's side.
func (p *place) page() *Page {
	p.t.Helper()
	page, err := OpenPage(p.runDir)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { page.Close() })
	return page
}

// options are those of a watchdog that ends with the test.
func (p *place) options() Options {
	return Options{
		RunDir: p.runDir, Root: p.root, Args: []string{"keeper", p.runDir, p.root}, Output: os.Stderr,
		Cgroup: filepath.Join(p.root, "vipd-keeper"),
	}
}

// ensure makes sure of the watchdog.
func (p *place) ensure() Process {
	p.t.Helper()
	k, err := Ensure(p.t.Context(), p.options())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { kill(k.PID) })
	return k
}

func kill(pid int) {
	syscall.Kill(pid, syscall.SIGKILL)
	awaited(func() bool { return syscall.Kill(pid, 0) != nil })
}

// process is a child of the test, whose end is noted.
type process struct {
	*exec.Cmd
	ended chan struct{}
	at    clock.Instant // of the end; read after ended
}

// start starts this program as something else, in a control group if one is given.
func (p *place) start(group string, args ...string) *process {
	p.t.Helper()
	c := &process{Cmd: exec.Command("/proc/self/exe", args...), ended: make(chan struct{})}
	c.Stderr = os.Stderr
	if group != "" {
		folder, err := os.Open(group)
		if err != nil {
			p.t.Fatal(err)
		}
		defer folder.Close()
		c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())}
	}
	if err := c.Start(); err != nil {
		rig.Missing(p.t, "cgroup2", err)
	}
	go func() {
		c.Wait()
		c.at = boot.Now()
		close(c.ended)
	}()
	p.t.Cleanup(func() {
		c.Process.Kill()
		<-c.ended
	})
	return c
}

func (c *process) alive() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

func await(t *testing.T, what string, come func() bool) {
	t.Helper()
	if !awaited(come) {
		t.Fatalf("no sign of %s", what)
	}
}

func awaited(come func() bool) bool {
	for end := time.Now().Add(10 * time.Second); !come(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// status is that of a guard as the page says.
func status(p *Page, path string) Status {
	for _, g := range p.Guards() {
		if g.Path == path {
			return g.Status
		}
	}
	return free
}
