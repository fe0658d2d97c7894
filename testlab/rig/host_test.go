package rig_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

func TestCablePullIsSeenInTheHost(t *testing.T) {
	lab := rig.Start(t)
	_, a, _ := pair(lab)
	updates := make(chan netlink.LinkUpdate, 64)
	done := make(chan struct{})
	defer close(done)
	if err := a.Host().Do(func() error { return netlink.LinkSubscribe(updates, done) }); err != nil {
		t.Fatal(err)
	}
	await := func(want uint32) {
		t.Helper()
		for limit := time.After(5 * time.Second); ; {
			select {
			case u := <-updates:
				if u.Link.Attrs().Name == "eth0" && u.IfInfomsg.Flags&unix.IFF_LOWER_UP == want {
					return
				}
			case <-limit:
				t.Fatalf("no event with carrier %#x", want)
			}
		}
	}
	a.Down()
	await(0)
	a.Up()
	await(unix.IFF_LOWER_UP)
}

func TestRebornHostIsEmptyAndHasItsOldCards(t *testing.T) {
	lab := rig.Start(t)
	sw, a, b := pair(lab)
	lay(t, b, a, addressB, addressA)
	old := a.Host()
	if err := old.Do(func() error { return os.WriteFile("/run/left", nil, 0o600) }); err != nil {
		t.Fatal(err)
	}
	a.Host().Destroy()
	a.Host().Destroy() // twice is no harm

	reborn := lab.Host("hist-a")
	if reborn == old {
		t.Fatal("the lab hands out the dead host")
	}
	links, err := reborn.Handle().LinkList()
	if err != nil {
		t.Fatal(err)
	}
	if len(links) != 1 || links[0].Attrs().Name != "lo" {
		t.Errorf("it boots with %d links", len(links))
	}
	reborn.Do(func() error {
		if _, err := os.Stat("/run/left"); err == nil {
			t.Error("/run outlived the power cut")
		}
		return nil
	})
	again := reborn.Plug(sw, "eth0", addressA)
	if !bytes.Equal(again.MAC(), a.MAC()) {
		t.Errorf("hardware address %s, was %s", again.MAC(), a.MAC())
	}
	card, err := reborn.Handle().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if real := card.Attrs().HardwareAddr; !bytes.Equal(real, again.MAC()) {
		t.Errorf("the card has %s, the port says %s", real, again.MAC())
	}
	lay(t, b, again, addressB, addressA)
	if owner := lab.Owner(a.MAC()); owner != "hist-a" {
		t.Errorf("its hardware address belongs to %q", owner)
	}
}

func TestDiskOutlivesAPowerCut(t *testing.T) {
	lab := rig.Start(t)
	file := filepath.Join(rig.Disk, "kept")
	a := lab.Host("hist-a")
	if err := a.Do(func() error { return os.WriteFile(file, []byte("hello"), 0o600) }); err != nil {
		t.Fatal(err)
	}
	a.Do(func() error { return os.WriteFile("/run/own", []byte("own"), 0o600) })
	if got, err := os.ReadFile(a.Path("/run/own")); err != nil || string(got) != "own" {
		t.Errorf("from outside its /run has %q, %v", got, err)
	}
	a.Destroy()
	reborn := lab.Host("hist-a")
	err := reborn.Do(func() error {
		got, err := os.ReadFile(file)
		if err == nil && string(got) != "hello" {
			t.Errorf("the disk has %q", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "hello" {
		t.Errorf("this process sees %q, %v", got, err)
	}
	os.Remove(file)
}

func TestFaultOnACableOutlivesAPowerCut(t *testing.T) {
	lab := rig.Start(t)
	sw, a, b := pair(lab)
	sw.Drop(rig.Fault{From: b, To: a, Only: rig.UDP(7000)})
	a.Host().Destroy()
	again := lab.Host("hist-a").Plug(sw, "eth0", addressA)
	receiver, err := listen(again.Host(), at(addressA, 7000))
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	sender, err := listen(b.Host(), at(addressB, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	w := &wire{t: t, sender: sender, receiver: receiver, to: at(addressA, 7000)}
	if n := w.send(5, quiet); n != 0 {
		t.Errorf("%d datagrams got through", n)
	}
}

func TestProgramLivesInItsHost(t *testing.T) {
	lab := rig.Start(t)
	_, a, _ := pair(lab)
	var out bytes.Buffer
	p, err := a.Host().Start(rig.Process{
		Path: "/bin/sh", Args: []string{"-c", "echo $WORD; hostname; ls /sys/class/net"},
		Env: []string{"WORD=hello"}, Stdout: &out,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(limit(t)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(out.String()); strings.Join(got, " ") != "hello hist-a eth0 lo" {
		t.Errorf("it saw %q", got)
	}
	if p.Alive() {
		t.Error("it is said to be alive after its end")
	}
	if _, err := a.Host().Start(rig.Process{Path: "/nonexistent"}); err == nil {
		t.Error("a program that doesn't exist was started")
	}
}

func TestProgramIsSignalledAndStopped(t *testing.T) {
	lab := rig.Start(t)
	_, a, _ := pair(lab)
	p, err := a.Host().Start(rig.Process{Path: "/bin/sleep", Args: []string{"60"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := p.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if !p.Alive() {
		t.Error("stopping and continuing ended it")
	}
	if p.Wait(expired()) == nil {
		t.Error("waiting for a living program ended")
	}
	p.Kill()
	if p.Alive() || p.Wait(limit(t)) == nil {
		t.Error("it ended well although killed")
	}
}

// A host's programs and their children die with it, those too that ignore signals.
func TestPowerCutKillsDescendants(t *testing.T) {
	lab := rig.Start(t)
	_, a, _ := pair(lab)
	const script = `trap "" TERM HUP INT; sleep 60 & setsid sleep 60 & echo ready; wait`
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := a.Host().Start(rig.Process{Path: "/bin/sh", Args: []string{"-c", script}, Stdout: w}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if n, err := r.Read(make([]byte, 16)); err != nil || n == 0 {
		t.Fatal("it never began")
	}
	var network string
	a.Host().Do(func() error {
		network, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	})
	if !inUse(network) {
		t.Fatal("its network is not to be seen")
	}
	a.Host().Destroy()
	if awaitTrue(5*time.Second, func() bool { return !inUse(network) }) != 0 {
		t.Error("something of the host lives on")
	}
	if _, err := a.Host().Start(rig.Process{Path: "/bin/true"}); err == nil {
		t.Error("a host without power runs programs")
	}
}

// callAndHold is a program with an open connection, which its death would end properly.
func callAndHold(address string) int {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 1
	}
	conn.Write([]byte("hello"))
	time.Sleep(time.Minute)
	return 0
}

func TestPowerCutIsSilent(t *testing.T) {
	lab := rig.Start(t)
	_, a, b := pair(lab)
	var listener net.Listener
	err := b.Host().Do(func() (err error) {
		listener, err = net.Listen("tcp", at(addressB, port).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if _, err := a.Host().Start(rig.Process{
		Path: "/proc/self/exe", Args: []string{at(addressB, port).String()},
		Env: []string{roleVariable + "=calling"},
	}); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	buffer := make([]byte, 16)
	if n, err := conn.Read(buffer); err != nil || string(buffer[:n]) != "hello" {
		t.Fatalf("read %q, %v", buffer[:n], err)
	}
	a.Host().Destroy()
	conn.SetReadDeadline(time.Now().Add(6 * quiet))
	if _, err := conn.Read(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the dead host was heard: %v", err)
	}
}

func TestLabLeavesNothing(t *testing.T) {
	rig.Need(t, rig.Netns)
	build := func(t *testing.T) {
		lab := rig.Start(t)
		sw, a, b := pair(lab)
		a.Host().Respond(port)
		b.Host().Probe(at(addressA, port))
		b.Witness(addressA.Addr(), time.Millisecond)
		sw.Drop(rig.Fault{From: a, To: b})
		for _, h := range []*rig.Host{a.Host(), b.Host()} {
			if _, err := h.Start(rig.Process{Path: "/bin/sleep", Args: []string{"60"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("warm", build) // what the runtime opens once stays open
	descriptors, alive, routines := count("/proc/self/fd/*"), processes(), runtime.NumGoroutine()
	t.Run("again", build)
	if awaitTrue(5*time.Second, func() bool {
		return count("/proc/self/fd/*") <= descriptors && processes() <= alive && runtime.NumGoroutine() <= routines
	}) != 0 {
		t.Errorf("descriptors %d, were %d; processes %d, were %d; goroutines %d, were %d",
			count("/proc/self/fd/*"), descriptors, processes(), alive, runtime.NumGoroutine(), routines)
	}
}

func TestHardwareAddressesAreTheHostsOwn(t *testing.T) {
	lab := rig.Start(t)
	_, a, b := pair(lab)
	for _, p := range []*rig.Port{a, b} {
		if p.MAC()[0]&3 != 2 {
			t.Errorf("%s is not a local unicast address", p.MAC())
		}
	}
	if bytes.Equal(a.MAC(), b.MAC()) {
		t.Error("two cards have one address")
	}
	if owner := lab.Owner(net.HardwareAddr{2, 0, 0, 0, 0, 1}); owner != "" {
		t.Errorf("a strange address belongs to %q", owner)
	}
}

func count(pattern string) int {
	found, _ := filepath.Glob(pattern)
	return len(found)
}

// limit is a context for what should end soon.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// expired is a context whose time is over.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
