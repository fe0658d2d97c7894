package standin

import (
	"testing"
	"time"
)

func TestStoreIsAnArbiter(t *testing.T) {
	var s Store
	for i, c := range []struct {
		node  string
		epoch uint64
		want  string
	}{
		{"a", 5, "ok\n"},
		{"a", 5, "ok\n"},
		{"b", 5, "refused 5\n"}, // an epoch is one node's
		{"b", 4, "refused 5\n"},
		{"b", 6, "ok\n"},
		{"a", 5, "refused 6\n"},
		{"b", 6, "ok\n"},
	} {
		if got := s.judge(Row{Node: c.node, Epoch: c.epoch, At: time.Duration(i)}); got != c.want {
			t.Errorf("%d: %s epoch %d: %q, want %q", i, c.node, c.epoch, got, c.want)
		}
	}
	if h := s.History(0); len(h.Accepted) != 4 || len(h.Refused) != 3 {
		t.Errorf("kept %d and %d rows", len(h.Accepted), len(h.Refused))
	}
	if h := s.History(5); len(h.Accepted) != 1 || len(h.Refused) != 1 {
		t.Errorf("since 5: %d and %d rows", len(h.Accepted), len(h.Refused))
	}
	if s.Newest().Node != "b" {
		t.Errorf("newest %v", s.Newest())
	}
}

func TestOverlap(t *testing.T) {
	row := func(node string, epoch uint64, at time.Duration) Row { return Row{node, epoch, 1, at} }
	for _, c := range []struct {
		name  string
		rows  []Row
		want  time.Duration
		stood time.Duration
	}{
		{"nobody", nil, 0, 0},
		{"one after the other", []Row{row("a", 1, 10), row("a", 1, 20), row("b", 2, 50), row("a", 3, 60)}, 0, 40},
		{"beside each other", []Row{row("a", 1, 10), row("a", 1, 40), row("b", 2, 30), row("b", 2, 60)}, 10, 40},
		{"one row between two", []Row{row("a", 1, 10), row("b", 2, 30), row("a", 1, 40)}, 1, 60},
		{"a node beside itself", []Row{row("a", 1, 10), row("a", 2, 5), row("a", 1, 20)}, 0, 80},
	} {
		h := History{Accepted: c.rows}
		if got := h.Overlap(); got != c.want {
			t.Errorf("%s: overlap %v, want %v", c.name, got, c.want)
		}
		if got := h.Stood(100); got != c.stood {
			t.Errorf("%s: stood %v, want %v", c.name, got, c.stood)
		}
	}
}

func TestRival(t *testing.T) {
	old, late := Row{"a", 1, 1, 10}, Row{"a", 1, 2, 20}
	next, last := Row{"b", 2, 1, 30}, Row{"b", 2, 9, 60}
	for _, c := range []struct {
		name     string
		accepted []Row
		refused  []Row
		want     time.Duration // when the rival wrote; 0 for none
	}{
		{"it merely came late", []Row{old, next}, []Row{late}, 0},
		{"the old one lives on", []Row{old, next}, []Row{late, {"a", 1, 3, 40}}, 40},
		{"it began when the other had ended", []Row{next, last}, []Row{{"a", 1, 1, 70}}, 0},
		{"it began before the other had ended", []Row{next, last}, []Row{{"a", 1, 1, 50}}, 50},
		{"it had begun, though refused, before the other", []Row{last}, []Row{{"a", 1, 1, 50}, {"a", 1, 2, 70}}, 70},
	} {
		h := History{Accepted: c.accepted, Refused: c.refused}
		if r, ok := h.Rival(); r.At != c.want || ok != (c.want != 0) {
			t.Errorf("%s: found %v, %t", c.name, r, ok)
		}
	}
}
