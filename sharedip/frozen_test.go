package sharedip

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"vipd/testlab/rig"
)

// holderVariable makes this test binary a program that holds both addresses.
const holderVariable = "SHAREDIP_TEST_HOLDER"

// hold takes both addresses and renews them until it is told that it was late:
// that is exit code 0.
func hold() int {
	h, err := Open(Options{
		Own:  nodeIPs,
		Owns: func(string, uint64) bool { return true }, Event: func(Event) {},
	})
	if err == nil {
		err = h.Configure(both)
	}
	if err == nil {
		go h.Run(context.Background())
		err = h.Take("vip:front", 1)
	}
	for ; err == nil; err = h.Renew() {
		time.Sleep(100 * time.Millisecond)
	}
	if errors.Is(err, ErrExpired) {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// A frozen process loses both addresses, and does not bring them back when it
// wakes.
func TestFrozenProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	holder, err := w.node.Start(rig.Process{
		Path: "/proc/self/exe", Env: []string{holderVariable + "=1"}, Stderr: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.await("both addresses", func() bool { return w.has(vip4) && w.has(vip6) })
	if err := holder.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.await("the end of both", func() bool { return len(w.addresses()) == 0 })
	if err := holder.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := holder.Wait(ctx); err != nil {
		t.Errorf("the holder, woken: %v", err)
	}
	if got := w.addresses(); len(got) != 0 {
		t.Errorf("the woken holder brought back %v", got)
	}
}
