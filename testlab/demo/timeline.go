package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"vipd/testlab/pair"
)

const (
	lookEvery = 10 * time.Millisecond  // at the client's view
	askEvery  = 50 * time.Millisecond  // each daemon for its role
	drawEvery = 100 * time.Millisecond // the live line
	silence   = 50 * time.Millisecond  // without an answer, before the timeline says so
)

// timeline tells, line by line, what is done, which role each host has and what the
// client sees. On a terminal a live line stands below. Its times are for the reader;
// what was measured is in the table.
type timeline struct {
	out   io.Writer
	live  bool
	paint painter
	began time.Time

	mu     sync.Mutex
	roles  [2]string
	client string
	closed bool

	stop context.CancelFunc
	run  sync.WaitGroup
}

func newTimeline(o Options) *timeline {
	tl := &timeline{
		out: o.Out, live: o.Terminal, paint: painter(o.Colour), began: time.Now(),
		roles: [2]string{"no power", "no power"}, client: "no answer",
	}
	if o.JSON {
		tl.out, tl.live = io.Discard, false
	}
	tl.line(bold, "TIME", "HIST-A", "HIST-B", "")
	return tl
}

// watch begins to follow the client's view and the roles.
func (tl *timeline) watch(st *stage) {
	ctx, stop := context.WithCancel(context.Background())
	tl.stop = stop
	tl.every(ctx, lookEvery, func() { tl.look(st.Probe.Last()) })
	for i, n := range []*pair.Node{st.A, st.B} {
		tl.every(ctx, askEvery, func() {
			if role := n.Role(ctx); ctx.Err() == nil {
				tl.role(i, role)
			}
		})
	}
	if tl.live {
		tl.every(ctx, drawEvery, tl.draw)
	}
}

// every does something at an interval, in the background, until ctx ends.
func (tl *timeline) every(ctx context.Context, interval time.Duration, do func()) {
	tl.run.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				do()
			}
		}
	})
}

// close ends the timeline; nothing more is written. Closing it again is fine.
func (tl *timeline) close() {
	if tl.stop != nil {
		tl.stop()
	}
	tl.run.Wait()
	tl.mu.Lock()
	defer tl.mu.Unlock()
	if !tl.closed {
		tl.wipe()
	}
	tl.closed = true
}

// look notes what the client sees.
func (tl *timeline) look(who string, at time.Time) {
	sees := who + " answers"
	if who == "" || time.Since(at) > silence {
		sees = "no answer"
	}
	tl.mu.Lock()
	changed := sees != tl.client
	tl.client = sees
	tl.mu.Unlock()
	if changed {
		tl.say("client: " + sees)
	}
}

// role notes the role of one of the two hosts.
func (tl *timeline) role(host int, role string) {
	tl.mu.Lock()
	changed := role != tl.roles[host]
	tl.roles[host] = role
	tl.mu.Unlock()
	if changed {
		tl.say([2]string{pair.NameA, pair.NameB}[host] + ": " + role)
	}
}

func (tl *timeline) say(text string)   { tl.event(plain, text) }
func (tl *timeline) title(text string) { tl.event(bold, text) }
func (tl *timeline) bad(text string)   { tl.event(red, "FAILED "+text) }

// event writes a line that says what happened, in the colour.
func (tl *timeline) event(c colour, text string) {
	tl.mu.Lock()
	roles := tl.roles
	tl.mu.Unlock()
	tl.line(c, fmt.Sprintf("%.3fs", time.Since(tl.began).Seconds()), roles[0], roles[1], text)
}

func (tl *timeline) line(c colour, at, a, b, text string) {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	if tl.closed {
		return
	}
	tl.wipe()
	fmt.Fprintf(tl.out, "%8s  %-10s  %-10s  %s\n", at, a, b, tl.paint.in(c, text))
}

// draw renews the live line.
func (tl *timeline) draw() {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	tl.wipe()
	fmt.Fprintf(tl.out, "%7.1fs  %-10s  %-10s  client: %s", time.Since(tl.began).Seconds(),
		tl.roles[0], tl.roles[1], tl.client)
}

// wipe clears the live line. tl.mu is held.
func (tl *timeline) wipe() {
	if tl.live {
		io.WriteString(tl.out, "\r\x1b[K")
	}
}
