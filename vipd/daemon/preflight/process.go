package preflight

import (
	"math"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// SettleProcess makes the process one that a daemon can be, whatever started it.
//
// A write to a log whose reader is gone is an error and no end: it is not ignored, which
// commands would inherit, but caught and dropped. What the starting process left open
// stays closed to commands: a lock file that a shell had open would be locked for as
// long as one of them lives.
func SettleProcess() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	const firstOther = 3                                                      // behind the standard input, output and error
	_ = unix.CloseRange(firstOther, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // Linux 5.11; without it they stay open, as ever
}
