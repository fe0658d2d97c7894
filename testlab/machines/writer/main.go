// Command writer writes a history into PostgreSQL, as a historian does: one row after
// the other, each with the node and the epoch under which it writes. The database
// refuses an epoch that is older than the newest it has seen, so that a writer which
// was left behind can do no harm; then, and when the database is gone, it ends.
//
//	VIPD_NODE=hist-a VIPD_EPOCH=257 writer --database 192.0.2.50:5432
//
// Exit codes: 0 stopped by SIGTERM, 1 failed (the database is gone or refuses the
// connection), 2 usage, 75 refused (another has written under a newer epoch).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	codeFailed  = 1
	codeUsage   = 2
	codeRefused = 75 // held by another, as vipd says it
)

func main() {
	database := flag.String("database", "127.0.0.1:5432", "`HOST:PORT` of PostgreSQL")
	every := flag.Duration("every", 20*time.Millisecond, "`TIME` from row to row")
	flag.Parse()
	epoch, err := strconv.ParseUint(os.Getenv("VIPD_EPOCH"), 10, 64)
	node := os.Getenv("VIPD_NODE")
	if err != nil || node == "" || flag.NArg() > 0 || *every <= 0 {
		fmt.Fprintf(os.Stderr, "VIPD_NODE and VIPD_EPOCH must be set, and an epoch is a number: %q, %q\n", node, os.Getenv("VIPD_EPOCH"))
		flag.Usage()
		os.Exit(codeUsage)
	}
	err = write(*database, history{node: node, epoch: epoch}, *every)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	if errors.Is(err, errRefused) {
		os.Exit(codeRefused)
	}
	os.Exit(codeFailed)
}

// write writes until SIGTERM.
func write(database string, h history, every time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	s, err := connect(database, "writer", "history")
	if err != nil {
		return err
	}
	defer s.close()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := h.add(s); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
