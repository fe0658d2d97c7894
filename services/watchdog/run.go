package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// ErrRunning says that another watchdog guards the groups of the run directory.
var ErrRunning = errors.New("another keeper runs with this run directory")

// Options are those of the watchdog and of its starter.
type Options struct {
	// RunDir is the daemon's: the page lies there, and the lock of the one watchdog.
	RunDir string
	// Root is the folder of a cgroup2 file system below which the watchdog may kill.
	// For Run alone.
	Root string
	// Only are the names of folders in Root: below these alone may it kill. None:
	// below all. For Run alone.
	Only []string
	// Args make this program a watchdog that calls Run, its own name left out. For
	// Ensure alone, like the following.
	Args []string
	// Cgroup is the path of a control group for the watchdog. Empty: vipd-keeper,
	// beside that of this process.
	Cgroup string
	// Output is where the watchdog writes its log; nil: nowhere.
	Output *os.File
	// Log takes the messages of Run; nil: none.
	Log *slog.Logger
}

// How often the page is looked at. A group is guarded for Grace at least, so one
// that is new is seen in time even when none was guarded before.
const (
	busyEvery = 100 * time.Millisecond // while any is guarded
	idleEvery = 500 * time.Millisecond
)

// linger is how long a watchdog stays without a group to guard.
const linger = 60 * time.Second

// Run guards the groups on the page until ctx ends, no group has been guarded for a
// minute, or the page is gone from the run directory and guards no group.
// It gives its thread the highest ordinary priority, where it may.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = nonBlocking(o.Log)
	held, err := lock(o.RunDir)
	if err != nil {
		return err
	}
	defer held.Close()
	if err := enterChosenCgroup(); err != nil {
		o.Log.Warn("in the control group of the daemon: what freezes or kills that stops the guard too", "err", err)
	}
	k, err := newWatchdog(o)
	if err != nil {
		return err
	}
	defer k.close()
	runtime.LockOSThread() // for good: the priority is the thread's
	if err := raisePriority(); err != nil {
		o.Log.Warn("no right to run before others: on a busy host a kill may be late", "refused", err)
	}
	o.Log.Info("guarding", "page", k.page.Path(), "below", o.Root, "in", o.Only)
	for ctx.Err() == nil {
		now := boot.Now()
		next := k.scan(now)
		if why := k.done(now); why != "" {
			o.Log.Info("ending", "because", why)
			return nil
		}
		sleepUntil(next)
	}
	return nil
}

// sleepUntil sleeps on the clock of the expiries, or shorter when a signal comes.
func sleepUntil(t clock.Instant) {
	at := unix.NsecToTimespec(int64(t))
	_ = unix.ClockNanosleep(unix.CLOCK_BOOTTIME, unix.TIMER_ABSTIME, &at, nil) // an early wake costs one more scan
}

// raisePriority gives this thread, which alone does the work, the highest ordinary
// priority, and keeps the process in memory. The error names each refusal.
func raisePriority() error {
	const highest = -20 // nice
	var refused []string
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, highest); err != nil {
		refused = append(refused, fmt.Sprintf("nice %d: %v", highest, err))
	}
	// On fault: else the runtime's whole address space would be brought in.
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		refused = append(refused, fmt.Sprintf("mlockall: %v", err))
	}
	if refused == nil {
		return nil
	}
	return errors.New(strings.Join(refused, "; "))
}
