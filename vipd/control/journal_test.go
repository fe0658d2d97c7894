package control

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ringOf makes a journal of 4 places with n events.
func ringOf(n int) *Journal {
	j := newJournal(4)
	for i := range n {
		j.Append(Event{Text: strconv.Itoa(i + 1)})
	}
	return j
}

func TestJournalSince(t *testing.T) {
	tests := []struct {
		name         string
		appended     int
		since        uint64
		limit        int
		lost         uint64
		first, count int // sequence number of the first event, how many
		next         uint64
	}{
		{"empty", 0, 0, 9, 0, 0, 0, 0},
		{"one", 1, 0, 9, 0, 1, 1, 1},
		{"nothing new", 3, 3, 9, 0, 0, 0, 3},
		{"the newest", 3, 2, 9, 0, 3, 1, 3},
		{"just full", 4, 0, 9, 0, 1, 4, 4},
		{"one fell out", 5, 0, 9, 1, 2, 4, 5},
		{"one fell out unseen", 5, 1, 9, 0, 2, 4, 5},
		{"round and round", 4003, 10, 9, 3989, 4000, 4, 4003},
		{"limit", 4, 1, 2, 0, 2, 2, 3},
		{"limit after a loss", 9, 0, 2, 5, 6, 2, 7},
		{"limit nought", 4, 1, 0, 0, 0, 0, 1},
		{"limit below nought", 4, 1, -1, 0, 0, 0, 1},
		{"from an earlier process", 3, 70, 9, 0, 1, 3, 3},
		{"from an earlier process, overflowed", 6, 70, 9, 2, 3, 4, 6},
		{"the largest number", 6, ^uint64(0), 9, 2, 3, 4, 6},
	}
	for _, tt := range tests {
		p := ringOf(tt.appended).Since(tt.since, tt.limit)
		if p.Lost != tt.lost || len(p.Events) != tt.count || p.Next != tt.next {
			t.Errorf("%s: lost %d, %d events, next %d; want %d, %d, %d", tt.name, p.Lost, len(p.Events), p.Next, tt.lost, tt.count, tt.next)
			continue
		}
		for i, e := range p.Events {
			if want := tt.first + i; e.Seq != uint64(want) || e.Text != strconv.Itoa(want) {
				t.Errorf("%s: event %d has number %d and text %s, want %d", tt.name, i, e.Seq, e.Text, want)
			}
		}
	}
}

func TestJournalPagesAreBounded(t *testing.T) {
	j := NewJournal()
	for range JournalSize + 10 {
		j.Append(Event{})
	}
	seen, pages := 0, 0
	for p := j.Since(0, JournalSize); len(p.Events) > 0; p = j.Since(p.Next, JournalSize) {
		if pages == 0 && p.Lost != 10 || pages > 0 && p.Lost != 0 {
			t.Errorf("page %d: lost %d", pages, p.Lost)
		}
		seen += len(p.Events)
		pages++
	}
	if seen != JournalSize || pages != JournalSize/PageLimit {
		t.Errorf("%d events in %d pages", seen, pages)
	}
}

func TestAppendDates(t *testing.T) {
	j := newJournal(4)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if e := j.Append(Event{Time: at, Seq: 77}); !e.Time.Equal(at) || e.Seq != 1 {
		t.Errorf("got %v, number %d", e.Time, e.Seq)
	}
	if e := j.Append(Event{}); e.Time.IsZero() || e.Seq != 2 {
		t.Errorf("got %v, number %d", e.Time, e.Seq)
	}
}

// TestFollowWaits: what was there comes at once, what is appended comes when
// it is, and the end of ctx ends it.
func TestFollowWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := ringOf(2)
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var seen []uint64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for p := range j.Follow(ctx, 1) {
				mu.Lock()
				for _, e := range p.Events {
					seen = append(seen, e.Seq)
				}
				mu.Unlock()
			}
		}()
		for want := 1; want <= 3; want++ {
			synctest.Wait()
			mu.Lock()
			if len(seen) != want || seen[want-1] != uint64(want+1) {
				t.Errorf("seen %v after %d events", seen, want+1)
			}
			mu.Unlock()
			j.Append(Event{})
		}
		cancel()
		<-done
	})
}

// TestFollowSlowReader: one that is overrun learns how many it lost.
func TestFollowSlowReader(t *testing.T) {
	j := ringOf(1)
	var pages []Page
	for p := range j.Follow(t.Context(), 0) {
		if pages = append(pages, p); len(pages) == 2 {
			break
		}
		for range 10 {
			j.Append(Event{})
		}
	}
	if p := pages[1]; p.Lost != 6 || p.Events[0].Seq != 8 || p.Next != 11 {
		t.Errorf("got lost %d, first %d, next %d", p.Lost, p.Events[0].Seq, p.Next)
	}
}

// TestFollowStream carries events over the socket, through a restart of the
// daemon whose journal begins anew.
func TestFollowStream(t *testing.T) {
	dir, j := shortDir(t), NewJournal()
	_, stop := start(t, dir, &fakeDaemon{}, j)
	j.Append(Event{Kind: "node", Node: "hist-b", From: "up", To: "silent", Cause: PeerSilent, Text: "hist-b fell silent"})
	count, next := 0, uint64(0)
	var ended error
	for p, err := range Dial(dir).Follow(t.Context(), 0) {
		if err != nil {
			ended = err
			break
		}
		count, next = count+len(p.Events), p.Next
		if count == 1 {
			if e := p.Events[0]; e.Cause != PeerSilent || e.To != "silent" || e.Seq != 1 {
				t.Errorf("got %+v", e)
			}
			j.Append(Event{Text: "again"})
		} else {
			stop()
		}
	}
	if count != 2 || next != 2 || ended == nil {
		t.Errorf("%d events, next %d, ended with %v", count, next, ended)
	}
	anew := NewJournal()
	start(t, dir, &fakeDaemon{}, anew)
	anew.Append(Event{Text: "started"})
	for p, err := range Dial(dir).Follow(t.Context(), next) {
		if err != nil || p.Events[0].Text != "started" {
			t.Errorf("after the restart: %+v, %v", p, err)
		}
		break
	}
}
