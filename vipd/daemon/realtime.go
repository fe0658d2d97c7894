package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds that keep a busy host from looking dead.
const (
	realtimePriority = 10        // SCHED_FIFO, 1 to 99: above all normal programs, below the kernel's own
	heapLimit        = 128 << 20 // bytes; collection gets harder towards it
	heapGrowth       = 400       // percent between two collections: the heap is a few megabytes
)

// hurry makes this process run before others, where the host allows it: real-time
// scheduling for all of its threads, memory that is not paged out, and seldom
// garbage collection. All threads, because a message needs the reader's, the
// loop's and the beater's, and one that must wait for a normal thread to let go
// of the runtime is no faster than that. It returns what was refused, nil if
// nothing was.
func hurry() error {
	debug.SetMemoryLimit(heapLimit)
	debug.SetGCPercent(heapGrowth)
	var refused []string
	err := allThreads(unix.SCHED_FIFO, realtimePriority)
	if err == nil {
		err = allThreads(unix.SCHED_FIFO, realtimePriority) // those made meanwhile
	}
	if err != nil {
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

// allThreads sets the policy of every thread there is; those to come inherit it
// from the one that makes them. A thread that ends meanwhile is no error.
func allThreads(policy uint32, priority uint32) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := schedule(id, policy, priority); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

func schedule(thread int, policy, priority uint32) error {
	return unix.SchedSetAttr(thread, &unix.SchedAttr{Policy: policy, Priority: priority}, 0)
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
