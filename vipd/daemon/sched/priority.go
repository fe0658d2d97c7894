package sched

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds that keep a busy host from looking dead.
const (
	highest    = -20       // nice: before every ordinary program
	heapLimit  = 64 << 20  // bytes; collection gets harder towards it
	heapGrowth = 50        // percent between two collections: there is little to collect, and less to keep
	slack      = "50000"   // ns by which a thread may sleep too long, the kernel's default
	watchSlack = "1000000" // and the runtime's watching thread
)

// Prioritise makes this process run before others, where the host allows it: the
// highest ordinary priority for all of its threads, and memory that is not paged
// out. All threads, because a message needs the reader's, the loop's and the
// beater's. Not SCHED_FIFO: threads of the runtime spin for one another, and under
// it one that waits for a thread without a processor never lets go of its own.
// It returns what was refused, nil if nothing was.
func Prioritise() error {
	debug.SetMemoryLimit(heapLimit)
	debug.SetGCPercent(heapGrowth)
	var refused []string
	if err := raiseThreads(); err != nil {
		refused = append(refused, fmt.Sprintf("nice %d: %v (needs CAP_SYS_NICE, or LimitNICE=%d)", highest, err, highest))
	}
	if err := raiseSession(); err != nil {
		refused = append(refused, err.Error())
	}
	if err := lockMemory(); err != nil {
		refused = append(refused, fmt.Sprintf("mlockall: %v (needs CAP_IPC_LOCK, or LimitMEMLOCK=infinity)", err))
	}
	if refused == nil {
		return nil
	}
	return errors.New(strings.Join(refused, "; "))
}

// raiseThreads gives every thread the priority. A thread made later inherits it
// from the one that made it, and the slack too, so this is done again now and
// then. A thread that ends meanwhile is no error.
func raiseThreads() error {
	threads, err := threads()
	if err != nil {
		return err
	}
	for i, id := range threads {
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, highest); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		setTimerSlack(id, i == watcher)
	}
	return nil
}

// raiseSession lets this session run before other sessions. Where the kernel shares the
// processors out by sessions, as Debian's does, a thread's priority counts among those
// of its own session alone, and a busy session would be the daemon's equal. A session
// that others lead, such as a shell's, is not ours to raise.
func raiseSession() error {
	if leader, err := unix.Getsid(0); err != nil || leader != os.Getpid() {
		return err
	}
	err := os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(highest)), 0)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("session's nice %d: %w (needs CAP_SYS_NICE)", highest, err)
}

// watcher is the place of the runtime's watching thread among the threads in the
// order of their making: the runtime makes it first, before any of ours.
const watcher = 1

// setTimerSlack lets the runtime's watching thread sleep longer than it asks for: it
// wakes every 20 µs while anything runs, which would be most of what an idle
// daemon costs.
func setTimerSlack(id int, watching bool) {
	ns := slack
	if watching {
		ns = watchSlack
	}
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/timerslack_ns", id), []byte(ns), 0) // a matter of cost alone
}

// threads lists this process's threads in the order of their making.
func threads() ([]int, error) {
	dir, err := os.Open("/proc/self/task")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var list []int
	for _, name := range names {
		if id, err := strconv.Atoi(name); err == nil {
			list = append(list, id)
		}
	}
	return list, nil
}

// MaintainPriority calls raiseThreads again for as long as ctx lasts, if it worked the
// first time.
func MaintainPriority(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for known := uint64(0); ; {
		if n := threadCount(); n != known {
			known = n
			if raiseThreads() != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// threadCount is how many threads there are, by the links of their directory, as
// the kernel counts them.
func threadCount() uint64 {
	var s unix.Stat_t
	if err := unix.Stat("/proc/self/task", &s); err != nil {
		return 0
	}
	return uint64(s.Nlink)
}

// WarnRefused puts one line in the log where the host refuses, and what follows.
func WarnRefused(err error, log *slog.Logger) {
	if err != nil {
		log.Warn("no right to run before others: on a busy host beats may be late", "refused", err)
	}
}
