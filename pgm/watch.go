package pgm

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// watch calls a function when interfaces or addresses of the network namespace change, and
// again for as long as it returns an error: a group that was joined on an interface must be
// joined again on the one that takes its place.
type watch struct {
	fd, bell int
	changed  func() error
	over     sync.WaitGroup
	once     sync.Once
}

// watchInterfaces begins to watch the network namespace of the calling thread.
func watchInterfaces(changed func() error) (*watch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("watch interfaces: %w", err)
	}
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch interfaces: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch interfaces: %w", err)
	}
	w := &watch{fd: fd, bell: bell, changed: changed}
	w.over.Go(w.run)
	return w, nil
}

// run waits for changes.
func (w *watch) run() {
	const again = 100 * time.Millisecond
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(w.bell), Events: unix.POLLIN}}
	for wait := -1; ; {
		n, err := unix.Poll(fds, wait)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || fds[1].Revents != 0:
			return
		case n > 0:
			w.drain()
		}
		wait = -1
		if w.changed() != nil {
			wait = int(again.Milliseconds())
		}
	}
}

// drain takes what the kernel has told: what it was is asked of the kernel itself. That some
// of it was lost for want of room is one more reason to ask.
func (w *watch) drain() {
	b := make([]byte, 1<<13)
	for {
		_, _, err := unix.Recvfrom(w.fd, b, unix.MSG_DONTWAIT)
		if err != nil && err != unix.EINTR && err != unix.ENOBUFS {
			return
		}
	}
}

// close ends the watch; of a nil one it does nothing.
func (w *watch) close() error {
	if w == nil {
		return nil
	}
	w.once.Do(func() {
		one := [8]byte{7: 1}
		unix.Write(w.bell, one[:]) //nolint:errcheck // any value but 0 rings
		w.over.Wait()
		unix.Close(w.fd)
		unix.Close(w.bell)
	})
	return nil
}
