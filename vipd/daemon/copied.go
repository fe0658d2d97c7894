package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// copyWatch notices that this machine, or this process, may be a copy that goes on with
// the memory of another one: both would seal under the same session with the same
// counter. Nothing is sealed from then on, and the daemon begins a new session.
//
//	suspended or hibernated    CLOCK_BOOTTIME ran on and CLOCK_MONOTONIC did not; before each send
//	a virtual machine's copy   the kernel's event NEW_VMGENID (Linux 6.10), where the hypervisor
//	                           has a generation id
//	a process's copy           another boot id or machine id; once a second
type copyWatch struct {
	asleep   func() (least, most time.Duration) // bounds of how long the machine has slept since its boot
	identity func() string                      // of machine and boot
	begin    func(why string)                   // begins a new session; called once

	slept time.Duration // at the start, at most
	was   string        // the identity at the start
	found atomic.Bool
}

// sleptLess is what is taken for the inexactness of the two clocks.
const sleptLess = time.Millisecond

// identityEvery is how often the identity is looked at.
const identityEvery = time.Second

func newCopyWatch(begin func(why string)) *copyWatch {
	w := &copyWatch{asleep: asleep, identity: identity, begin: begin}
	w.start()
	return w
}

func (w *copyWatch) start() {
	_, w.slept = w.asleep()
	w.was = w.identity()
}

// copied reports whether nothing may be sealed any more under this session.
func (w *copyWatch) copied() bool {
	if w == nil {
		return false
	}
	if w.found.Load() {
		return true
	}
	if least, _ := w.asleep(); least > w.slept+sleptLess {
		w.tell("the machine was suspended or hibernated")
	}
	return w.found.Load()
}

// tell begins a new session, once.
func (w *copyWatch) tell(why string) {
	if w.found.CompareAndSwap(false, true) {
		w.begin(why)
	}
}

// run looks at the identity until ctx ends.
func (w *copyWatch) run(ctx context.Context) {
	tick := time.NewTicker(identityEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if w.identity() != w.was {
			w.tell("the boot id or the machine id is another")
		}
	}
}

// newSession is what a daemon does whose session may be another one's too.
func (d *Daemon) newSession(why string) {
	d.log.Warn("nothing is sealed under this session any more; beginning another", "why", why)
	if d.loop.leaving != nil { // or Run sees it
		d.loop.leaving(errRestart)
	}
}

// watchCopies runs the watch, and tells it what the kernel tells.
func (d *Daemon) watchCopies(ctx context.Context) {
	go func() {
		if err := listenForCopies(ctx, func() { d.copies.tell("the virtual machine has another generation id") }); err != nil {
			d.log.Warn("a copy of this virtual machine may not be noticed", "err", err)
		}
	}()
	d.copies.run(ctx)
}

// asleep reads the difference of the two clocks. The clock that stands still in a sleep
// is read before and after the other one, so that a pause between two reads counts as
// no sleep.
func asleep() (least, most time.Duration) {
	before := monotonicNow()
	now := boot.Now()
	return now.Sub(monotonicNow()), now.Sub(before)
}

func monotonicNow() clock.Instant {
	var t unix.Timespec
	unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&t)), 0)
	return clock.Instant(t.Nano())
}

// identity is the boot id, zero if the kernel has none, and the machine id, empty if the host has none.
func identity() string {
	return boot.This().String() + readID("/etc/machine-id")
}

// readID reads a file of one id, empty if there is none. A file of package os would be
// entered in the runtime's poller, and taken out again, each time.
func readID(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) // a FIFO must not keep it waiting
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var id [64]byte
	n, err := unix.Read(fd, id[:])
	if err != nil {
		return ""
	}
	return string(id[:n])
}

// newGeneration is what the kernel says when the generation id of the virtual machine
// has changed.
var newGeneration = []byte("NEW_VMGENID=1")

// listenForCopies calls found when the kernel says that the virtual machine is a copy,
// until ctx ends.
func listenForCopies(ctx context.Context, found func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return fmt.Errorf("listen for the kernel's events: %w", err)
	}
	file := os.NewFile(uintptr(fd), "uevent")
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	const kernelGroup = 1
	err = errors.Join(filterChanges(fd), unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}))
	if err != nil {
		return fmt.Errorf("listen for the kernel's events: %w", err)
	}
	defer context.AfterFunc(ctx, func() { file.Close() })()
	event := make([]byte, 8192)
	for {
		var n int
		var from unix.Sockaddr
		var failed error
		if err := raw.Read(func(fd uintptr) bool {
			n, from, failed = unix.Recvfrom(int(fd), event, 0)
			return failed != unix.EAGAIN
		}); err != nil {
			return nil // closed: ctx has ended
		}
		if failed == nil && isNewGeneration(event[:n], from) {
			found()
		}
	}
}

// isNewGeneration reports whether the kernel itself, and no other process, says that the
// generation id has changed.
func isNewGeneration(event []byte, from unix.Sockaddr) bool {
	sender, ok := from.(*unix.SockaddrNetlink)
	if !ok || sender.Pid != 0 {
		return false
	}
	for field := range bytes.SplitSeq(event, []byte{0}) {
		if bytes.Equal(field, newGeneration) {
			return true
		}
	}
	return false
}

// filterChanges lets only events through that begin with "change", so that devices which
// come and go wake nothing.
func filterChanges(fd int) error {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x6368616e, SkipFalse: 1}, // "chan"
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}
