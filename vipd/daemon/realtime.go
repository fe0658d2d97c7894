package daemon

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
	realtimePriority = 10        // SCHED_FIFO, 1 to 99: above all normal programs, below the kernel's own
	heapLimit        = 64 << 20  // bytes; collection gets harder towards it
	heapGrowth       = 25        // percent between two collections: there is little to collect, and less to keep
	watchSlack       = "1000000" // ns by which the runtime's watching thread may sleep too long
)

// hurry makes this process run before others, where the host allows it: real-time
// scheduling for its threads, and memory that is not paged out. All threads,
// because a message needs the reader's, the loop's and the beater's, and one that
// must wait for a normal thread to let go of the runtime is no faster than that.
// It returns what was refused, nil if nothing was.
func hurry() error {
	debug.SetMemoryLimit(heapLimit)
	debug.SetGCPercent(heapGrowth)
	var refused []string
	if err := hurryThreads(); err != nil {
		refused = append(refused, fmt.Sprintf("SCHED_FIFO: %v (needs CAP_SYS_NICE, or LimitRTPRIO=%d)", err, realtimePriority))
	}
	// On fault: without it every page of the runtime's address space would be
	// brought in, gigabytes of it.
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		refused = append(refused, fmt.Sprintf("mlockall: %v (needs CAP_IPC_LOCK, or LimitMEMLOCK=infinity)", err))
	}
	if refused == nil {
		return nil
	}
	return errors.New(strings.Join(refused, "; "))
}

// hurryThreads sets the policy of every thread that has another one, but for the
// runtime's watching thread. It is called again now and then, for a thread
// inherits from the one that made it, and that may be the watching one. A thread
// that ends meanwhile is no error.
func hurryThreads() error {
	threads, err := threads()
	if err != nil {
		return err
	}
	for i, id := range threads {
		if i == watcher {
			relax(id)
			continue
		}
		now, err := unix.SchedGetAttr(id, 0)
		if err == nil && now.Policy != unix.SCHED_FIFO {
			err = schedule(id, unix.SCHED_FIFO, realtimePriority)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// watcher is the place of the runtime's watching thread among the threads in the
// order of their making: the runtime makes it first, before any of ours.
const watcher = 1

// relax lets the runtime's watching thread sleep longer than it asks for: it wakes
// every 20 µs while anything runs, and as a real-time thread, whose sleeps have
// no slack, it would cost more than all others together.
func relax(id int) {
	_ = schedule(id, unix.SCHED_NORMAL, 0)
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/timerslack_ns", id), []byte(watchSlack), 0)
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

func schedule(thread int, policy, priority uint32) error {
	return unix.SchedSetAttr(thread, &unix.SchedAttr{Policy: policy, Priority: priority}, 0)
}

// stayInHurry calls hurryThreads again for as long as ctx lasts, if it worked the
// first time.
func stayInHurry(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for hurryThreads() == nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// calm gives a command of the operator's ordinary scheduling: it is no part of
// what must be in time.
func calm(process int) {
	_ = schedule(process, unix.SCHED_NORMAL, 0) // it may be gone, or was never in a hurry
}

// sayHurry puts one line in the log where the host refuses, and what follows.
func sayHurry(err error, log *slog.Logger) {
	if err != nil {
		log.Warn("no realtime rights: a busy host may be late to beat", "refused", err)
	}
}
