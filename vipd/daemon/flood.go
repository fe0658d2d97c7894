package daemon

import (
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
)

// What a socket may bring of datagrams that are refused before it is read less often:
// a burst, and one more each refusedEvery. A socket that brought more is left alone
// for a pause, in which its queue fills, and then read in batches: waking for each
// one would cost more than refusing it. A socket that fills whole batches is read on at
// once. Other sockets, the deadline and the bell wake
// the loop meanwhile.
const (
	refusedBurst = 128
	refusedEvery = 2 * time.Millisecond
	longestPause = 4 * time.Millisecond
)

// pauseOf is how long a flooded socket is left alone where beats come every interval:
// little enough that a heartbeat among the junk is hardly later for it.
func pauseOf(interval time.Duration) time.Duration { return min(interval/8, longestPause) }

// allowance counts what a socket may still bring that is refused.
type allowance struct {
	left int
	at   clock.Instant // when left was reckoned
}

// spend takes n from the allowance and reports whether it was there.
func (a *allowance) spend(n int, now clock.Instant) bool {
	if gained := now.Sub(a.at) / refusedEvery; gained > 0 {
		a.left, a.at = int(min(time.Duration(a.left)+gained, refusedBurst)), now
	}
	a.left = max(a.left-n, -refusedBurst)
	return a.left >= 0
}

// pause stops the socket from waking the loop until the pause is over.
func (i *inlet) pause(tag int32, l *listener, now clock.Instant) {
	if i.wakes(tag, l, 0) != nil {
		return
	}
	i.paused = append(i.paused, tag)
	if i.resumeAt == clock.Never {
		i.resumeAt = now.Add(i.pauseFor)
	}
}

// resume has the paused sockets wake the loop again, when the pause is over.
func (i *inlet) resume(now clock.Instant) {
	if now < i.resumeAt {
		return
	}
	i.resumeAt = clock.Never
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, tag := range i.paused {
		if l, open := i.sockets[tag]; open {
			i.wakes(tag, l, unix.EPOLLIN)
		}
	}
	i.paused = i.paused[:0]
}

// wakes sets for what the socket wakes the loop. A socket that is closed meanwhile is
// left alone.
func (i *inlet) wakes(tag int32, l *listener, events uint32) error {
	raw, err := l.socket.SyscallConn()
	if err != nil {
		return err
	}
	control := func(fd uintptr) {
		outer := i.raw.Control(func(epoll uintptr) {
			err = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_MOD, int(fd), &unix.EpollEvent{Events: events, Fd: tag})
		})
		if outer != nil {
			err = outer
		}
	}
	if outer := raw.Control(control); outer != nil {
		return outer
	}
	return err
}
