package faults

import (
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"
	"time"
)

// atLength skips what takes some minutes.
func atLength(t *testing.T) {
	if os.Getenv("VIPD_LONG") == "" {
		t.Skip("takes minutes; VIPD_LONG=1 runs it")
	}
}

// Recordings of 15 s at 1000 a second from each network, after both nodes were restarted:
// the other node takes a dead host's address as soon as without them, each time.
func TestReplaysAtLength(t *testing.T) {
	atLength(t)
	const rounds, slack = 20, 30 * time.Millisecond
	in := 0
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			s := newSite(t, stays)
			e := s.stranger()
			s.startInOrder()
			heard := e.recordBoth(15 * time.Second)
			holder := s.holder()
			other := s.other(holder)
			stop := e.send(1000, around(heard))
			time.Sleep(time.Second)
			died := time.Now()
			holder.host.Destroy()
			s.eventually("the other took", func() bool { return other.token(front).Holder == other.name })
			took := other.took().Sub(died)
			if took <= deadAfter+slack {
				in++
			}
			t.Logf("taken after %v, %d frames replayed", took.Round(time.Millisecond), stop())
			s.answers(other)
		})
	}
	t.Logf("%d of %d within %v of the wait", in, rounds, slack)
}

// took is when the node last took the address.
func (n *node) took() (at time.Time) {
	for _, e := range n.events() {
		if strings.Contains(e.Text, "taking") {
			at = e.Time
		}
	}
	return at
}

// A million recorded datagrams and ten million forged ones, against a pair with usual and
// one with fast heartbeats, and against pairs whose holder has just died: nothing moves, or
// only what would have moved without them.
func TestMillionsOfDatagrams(t *testing.T) {
	atLength(t)
	const perSecond = 12_500 // on each of two networks
	fast := strings.Replace(stays, `interval = "200ms"`, `interval = "20ms"`, 1)
	for _, pace := range []struct{ name, config string }{{"usual", stays}, {"fast", fast}} {
		for _, what := range []struct {
			name  string
			count int
		}{{"recorded", 1_000_000}, {"forged", 10_000_000}} {
			t.Run(pace.name+" "+what.name, func(t *testing.T) {
				s := newSite(t, pace.config)
				e := s.stranger()
				s.startInOrder()
				heard := e.recordBoth(3 * time.Second)
				frames := around(heard)
				if what.name == "forged" {
					frames = [2]iter.Seq[[]byte]{heard[0].Forged(1), heard[1].Forged(2)}
				}
				holder := s.holder()
				other := s.other(holder)
				moves := holder.moves() + other.moves()
				idle := other.cpuIdle()
				began, cpu := time.Now(), other.cpu()
				stop := e.send(perSecond, frames)
				time.Sleep(time.Duration(what.count/2/perSecond) * time.Second)
				if moved := holder.moves() + other.moves() - moves; moved != 0 {
					t.Errorf("moved %d times", moved)
				}
				used := other.cpu() - cpu - time.Duration(float64(idle)*time.Since(began).Seconds())
				s.oneAnswered(began)
				died := time.Now()
				holder.host.Destroy()
				s.eventually("the other took", func() bool { return other.token(front).Holder == other.name })
				took := other.took().Sub(died)
				time.Sleep(time.Second)
				if other.moves() != 1+other.movesBefore(died) {
					t.Error("more than the take happened")
				}
				sent := stop()
				t.Logf("%d frames in %v: 0 moves; taken %v after the death; %v of CPU a datagram", sent, time.Since(began).Round(time.Second), took.Round(time.Millisecond), (used / time.Duration(max(sent/2, 1))).Round(10*time.Nanosecond))
			})
		}
	}
}

// moves counts what the node said of takes and drops.
func (n *node) moves() int { return n.movesBefore(time.Now()) }

func (n *node) movesBefore(end time.Time) (count int) {
	for _, e := range n.events() {
		if e.Time.Before(end) && (strings.Contains(e.Text, " taking") || strings.Contains(e.Text, " dropping")) {
			count++
		}
	}
	return count
}
