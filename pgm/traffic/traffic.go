// Package traffic makes numbered messages and says what became of them: the
// load of the bench and of `vipd pgm bench`. Sender and receivers must run on
// one machine if the one-way times are to mean anything.
//
// It knows messages and clocks; it never opens a link, and any transport with
// a Send or a Receive will do.
//
//	0        8               16
//	+--------+---------------+---------------------------------+
//	| number | moment sent   | pattern: octet k is number + k  |
//	+--------+---------------+---------------------------------+
//	         CLOCK_MONOTONIC in ns
package traffic

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// HeaderLen is the shortest message in octets.
const HeaderLen = 16

// Plan is what is sent.
type Plan struct {
	Count     int
	Size      int     // octets of each message, at least HeaderLen
	PerSecond float64 // messages; 0: as fast as they go
}

// Sent is what a sender did.
type Sent struct {
	Messages int     `json:"messages"`
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu_seconds"` // of the whole process
}

// Received is what a receiver got.
type Received struct {
	Messages int     `json:"messages"`
	First    int     `json:"first"`
	Lost     int     `json:"lost"`     // numbers left out
	Disorder int     `json:"disorder"` // out of order, or twice
	Corrupt  int     `json:"corrupt"`
	Seconds  float64 `json:"seconds"` // from the first message to the last
	CPU      float64 `json:"cpu_seconds"`
	P50      float64 `json:"p50_us"` // one way, the first twentieth left out
	P99      float64 `json:"p99_us"`
	P999     float64 `json:"p999_us"`
}

// Fill makes message number i in m, but for the moment.
func Fill(m []byte, i int) {
	binary.BigEndian.PutUint64(m, uint64(i))
	for k := HeaderLen; k < len(m); k++ {
		m[k] = byte(i + k)
	}
}

// Send sends what the plan says.
func Send(ctx context.Context, p Plan, send func(context.Context, []byte) error) (Sent, error) {
	m := make([]byte, max(p.Size, HeaderLen))
	start := monotonic()
	i := 0
	for ; i < p.Count; i++ {
		if p.PerSecond > 0 {
			waitUntil(start + int64(float64(i)/p.PerSecond*1e9))
		}
		Fill(m, i)
		binary.BigEndian.PutUint64(m[8:], uint64(monotonic()))
		if err := send(ctx, m); err != nil {
			return Sent{}, fmt.Errorf("message %d: %w", i, err)
		}
	}
	return Sent{Messages: i, Seconds: float64(monotonic()-start) / 1e9, CPU: cpu()}, nil
}

// Counter counts what a receiver gets.
type Counter struct {
	Plan        Plan
	r           Received
	next        int
	begin, last int64
	times       []int32 // one way, in 100 ns
}

// maxTimes bounds how many one-way times are kept.
const maxTimes = 4 << 20

// Take takes one message.
func (c *Counter) Take(m []byte) {
	if len(m) < HeaderLen {
		c.r.Corrupt++
		return
	}
	now := monotonic()
	i := int(binary.BigEndian.Uint64(m))
	if c.r.Messages == 0 {
		c.begin, c.next, c.r.First = now, i, i
	}
	if i < c.next {
		c.r.Disorder++
	} else {
		c.r.Lost += i - c.next
		c.next = i + 1
	}
	if !whole(m, i, c.Plan.Size) {
		c.r.Corrupt++
	}
	c.r.Messages++
	c.last = now
	if len(c.times) < maxTimes {
		c.times = append(c.times, int32((now-int64(binary.BigEndian.Uint64(m[8:])))/100))
	}
}

// whole checks length and, at a few places, pattern of a message.
func whole(m []byte, i, size int) bool {
	if len(m) != max(size, HeaderLen) {
		return false
	}
	for k := HeaderLen; k < len(m); k += 97 {
		if m[k] != byte(i+k) {
			return false
		}
	}
	return true
}

// Done reports whether the last message was seen.
func (c *Counter) Done() bool { return c.next >= c.Plan.Count }

// Result sums up.
func (c *Counter) Result() Received {
	r := c.r
	r.Seconds, r.CPU = float64(c.last-c.begin)/1e9, cpu()
	times := c.times[len(c.times)/20:]
	slices.Sort(times)
	at := func(p float64) float64 {
		if len(times) == 0 {
			return 0
		}
		return float64(times[int(p*float64(len(times)-1))]) / 10
	}
	r.P50, r.P99, r.P999 = at(.5), at(.99), at(.999)
	return r
}

// monotonic is the machine's monotonic clock in ns: the same for all
// processes, in every namespace. It is read as a distance from one reading by
// the system call, as package time reads without one.
func monotonic() int64 { return origin + int64(time.Since(started)) }

var started, origin = func() (time.Time, int64) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // the kernel always has it
	}
	return time.Now(), t.Nano()
}()

// waitUntil waits for a moment, asleep as a program with nothing to do is. Sleep
// by the kernel is some 50 us late, by package time more, as another thread has
// to wake for it; yielding in a loop would keep two cores busy.
func waitUntil(t int64) {
	for left := t - monotonic(); left > 0; left = t - monotonic() {
		ts := unix.NsecToTimespec(left)
		unix.Nanosleep(&ts, nil) //nolint:errcheck // a signal ends it early: the loop goes on
	}
}

// cpu is the process's user and system time in seconds.
func cpu() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
