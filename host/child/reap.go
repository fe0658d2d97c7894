package child

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// awaited are the children that some part of this process waits for. A fork holds the
// lock for reading until its child is entered, so that none is reaped in between.
var awaited = struct {
	forking sync.RWMutex
	mu      sync.Mutex
	pids    map[int]bool
}{pids: map[int]bool{}}

// registered enters the child that start makes.
func registered(start func() (int, error)) (pid int, err error) {
	awaited.forking.RLock()
	defer awaited.forking.RUnlock()
	if pid, err = start(); err == nil {
		Expect(pid)
	}
	return pid, err
}

// Expect says that the caller waits for a child that is there already.
func Expect(pid int) {
	awaited.mu.Lock()
	defer awaited.mu.Unlock()
	awaited.pids[pid] = true
}

// Done says that a child has been waited for, or that no part waits for it any more.
func Done(pid int) {
	awaited.mu.Lock()
	defer awaited.mu.Unlock()
	delete(awaited.pids, pid)
}

func expected(pid int) bool {
	awaited.mu.Lock()
	defer awaited.mu.Unlock()
	return awaited.pids[pid]
}

// reapPause is how long ends of children are gathered before those without a waiting
// part are looked for: those with one are gone by then.
const reapPause = 200 * time.Millisecond

// Reap reaps children that no part of this process waits for, until ctx ends: of the
// program that ran in this process before, and orphans where this is process 1 or a
// subreaper. One process in a program may call it.
func Reap(ctx context.Context) {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGCHLD)
	defer signal.Stop(ends)
	for {
		again := make(<-chan time.Time)
		if anyEnded() && !reapStrangers() {
			again = time.After(reapPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-ends:
		case <-again:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(reapPause):
		}
	}
}

// anyEnded reports whether a child of any part is to be reaped.
func anyEnded() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// reapStrangers reaps the ended children that are not awaited. It returns false where a
// fork is under way, which may take long: others must not wait behind this one for it.
func reapStrangers() bool {
	if !awaited.forking.TryLock() {
		return false
	}
	defer awaited.forking.Unlock()
	for _, pid := range children() {
		if !expected(pid) {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // it may live
		}
	}
	return true
}

// children lists this process's children: by the kernel's own list where it has one, or
// by looking at every process.
func children() (list []int) {
	if lists, _ := filepath.Glob("/proc/self/task/*/children"); lists != nil {
		for _, path := range lists {
			text, _ := os.ReadFile(path) // the thread may have ended
			for _, word := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(word); err == nil {
					list = append(list, pid)
				}
			}
		}
		return list
	}
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		if pid, err := strconv.Atoi(filepath.Base(folder)); err == nil && parentOf(pid) == os.Getpid() {
			list = append(list, pid)
		}
	}
	return list
}

// parentOf is the parent of a process, 0 if it is gone.
func parentOf(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// 42 (any name) S parent …
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
