package preflight

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The process's own signals stay as they are for others: settleProcess ignores none.
func TestBrokenPipeIsNoEnd(t *testing.T) {
	SettleProcess()
	if err := unix.Kill(os.Getpid(), syscall.SIGPIPE); err != nil {
		t.Fatal(err)
	}
}
