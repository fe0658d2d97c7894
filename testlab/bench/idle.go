package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// idle measures what the daemons cost when nothing happens and nobody asks.
func (t *trial) idle() error {
	t.Close() // client and witness
	active, standby := t.A.Daemon.Processes(), t.B.Daemon.Processes()
	from := time.Now()
	before, beforeStandby := cpu(active), cpu(standby)
	t.wait(t.lasts)
	took := time.Since(from)
	share := func(used time.Duration) float64 { return 100 * used.Seconds() / took.Seconds() }
	t.values["CPU, active"] = share(cpu(active) - before)
	t.values["CPU, standby"] = share(cpu(standby) - beforeStandby)
	t.values["RSS"] = rss(active)
	if t.values["RSS"] == 0 {
		return errors.New("the daemon is gone")
	}
	return t.ctx.Err()
}

// cpu is the time that all threads of the processes ran.
func cpu(pids []int) (total time.Duration) {
	for _, pid := range pids {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, path := range threads {
			var ran int64 // ns
			text, _ := os.ReadFile(path)
			fmt.Sscan(string(text), &ran)
			total += time.Duration(ran)
		}
	}
	return total
}

// rss is the memory of the processes that is in core, in MiB; pages they share count
// more than once.
func rss(pids []int) (total float64) {
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(text)) {
			var kib float64
			if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
				total += kib / 1024
			}
		}
	}
	return total
}
