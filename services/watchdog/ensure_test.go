package watchdog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vipd/host/boot"
	"vipd/host/cgroup"
)

// TestEnsure starts a watchdog, finds it, and starts another when it has been killed,
// which guards the groups of the first one.
func TestEnsure(t *testing.T) {
	p := newPlace(t)
	page := p.page()
	group := p.group("historian")
	first := p.ensure()
	if !first.Started || !first.Apart {
		t.Errorf("first: %+v", first)
	}
	if group, err := cgroup.Own(); err != nil || strings.HasPrefix(string(group), p.root) {
		t.Errorf("the daemon itself is in %s, %v", group, err)
	}
	if found := p.ensure(); found != (Process{first.PID, false, true}) {
		t.Errorf("found %+v, want %+v", found, first)
	}
	if err := Run(t.Context(), Options{RunDir: p.runDir, Root: p.root}); !errors.Is(err, ErrRunning) {
		t.Errorf("a second keeper: %v", err)
	}
	if err := page.Guard(group, boot.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	service := p.start(group, "service")
	kill(first.PID)
	second := p.ensure()
	if !second.Started || second.PID == first.PID {
		t.Errorf("second: %+v", second)
	}
	if !service.alive() || status(page, group) != Armed {
		t.Error("the new keeper does not keep what was guarded")
	}
	if err := page.Renew(group, boot.Now()); err != nil {
		t.Error(err)
	}
	await(t, "the end of the group", func() bool { return !service.alive() })
}

// A watchdog survives the daemon that started it and the group the daemon is in.
func TestKeeperOutlivesTheDaemon(t *testing.T) {
	p := newPlace(t)
	page := p.page()
	own := p.group("vipd.service")
	daemon := p.start(own, "starter", p.runDir, p.root)
	<-daemon.ended
	if !daemon.ProcessState.Success() {
		t.Fatal("no keeper was started")
	}
	if err := os.WriteFile(filepath.Join(own, cgroup.KillFile), []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	at := boot.Now() // a look after this is no dying one's
	await(t, "the keeper after its daemon", func() bool { return page.Looked() > at.Add(idleEvery) })
	k := p.ensure()
	if k.Started {
		t.Error("the keeper died with its daemon")
	}
	its, err := os.ReadFile("/proc/" + strconv.Itoa(k.PID) + "/cgroup")
	if err != nil || !strings.Contains(string(its), filepath.Base(p.root)+"/vipd-keeper\n") {
		t.Errorf("the keeper is in %s, %v", its, err)
	}
}

// beStarter is a daemon that starts a watchdog beside its control group, and ends.
func beStarter(runDir, root string) int {
	_, err := Ensure(context.Background(), Options{RunDir: runDir, Args: []string{"keeper", runDir, root}, Output: os.Stderr})
	if err != nil {
		return 1
	}
	return 0
}

// TestEnsureFails has a watchdog that can't run, and one that hangs.
func TestEnsureFails(t *testing.T) {
	p := newPlace(t)
	o := p.options()
	o.Args, o.Output = []string{"keeper", p.runDir, "/proc"}, nil
	if _, err := Ensure(t.Context(), o); err == nil || !strings.Contains(err.Error(), "it ended: exit status 1") {
		t.Errorf("a keeper without a root: %v", err)
	}
	k := p.ensure()
	syscall.Kill(k.PID, syscall.SIGSTOP)
	page := p.page()
	await(t, "a stall", func() bool { return boot.Now().Sub(page.Looked()) > stalledTime })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Ensure(ctx, p.options()); err == nil || !strings.Contains(err.Error(), "has the lock but does not look") {
		t.Errorf("a keeper that hangs: %v", err)
	}
	syscall.Kill(k.PID, syscall.SIGCONT)
	if again := p.ensure(); again.PID != k.PID || again.Started {
		t.Errorf("when it goes on: %+v", again)
	}
}

func TestRunRefuses(t *testing.T) {
	p := newPlace(t)
	for _, c := range []struct{ runDir, root, want string }{
		{filepath.Join(p.runDir, "none"), p.root, "open lock of the keeper"},
		{p.runDir, "", "want an absolute path"},
		{p.runDir, p.root + "/../x", "want an absolute path"},
		{p.runDir, p.root + "/none", "no such file"},
		{p.runDir, "/proc", "not in a cgroup2 file system"},
	} {
		if err := Run(t.Context(), Options{RunDir: c.runDir, Root: c.root}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v, want %q", c.runDir, c.root, err, c.want)
		}
	}
}

// TestRunEnds ends a watchdog by its context, and by taking its page away: at once
// when no group is guarded, else when that is over.
func TestRunEnds(t *testing.T) {
	p := newPlace(t)
	ctx, cancel := context.WithCancel(t.Context())
	run := func(ctx context.Context) <-chan error {
		ended := make(chan error, 1)
		go func() { ended <- Run(ctx, Options{RunDir: p.runDir, Root: p.root}) }()
		await(t, "a keeper", func() bool { held, err := locked(p.runDir); return held && err == nil })
		return ended
	}
	ended := run(ctx)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ended = run(t.Context())
	os.Remove(filepath.Join(p.runDir, pageName))
	if err := <-ended; err != nil {
		t.Error(err)
	}
	page, group := p.page(), p.group("historian")
	service := p.start(group, "service")
	if err := page.Guard(group, boot.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	ended = run(t.Context())
	os.RemoveAll(p.runDir)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	await(t, "the end of the group", func() bool { return !service.alive() })
	if status(page, group) != Killed {
		t.Error("the group is not marked killed")
	}
}
