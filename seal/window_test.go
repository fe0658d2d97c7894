package seal

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestWindowEdges(t *testing.T) {
	const far = uint64(1) << 40
	steps := []struct {
		what    string
		counter uint64
		want    Refusal
	}{
		{"what began the window", 100, ErrReplay},
		{"what came before it", 99, ErrReplay},
		{"the next", 101, 0},
		{"the next again", 101, ErrReplay},
		{"a whole window ahead", 101 + windowSize, 0},
		{"the oldest inside", 102, 0},
		{"the oldest inside again", 102, ErrReplay},
		{"the newest outside", 101, ErrTooOld},
		{"zero", 0, ErrTooOld},
		{"inside, skipped", 127, 0},
		{"the first of a word", 128, 0},
		{"the last of a word", 191, 0},
		{"the newest again", 101 + windowSize, ErrReplay},
		{"one word's ring further", 101 + windowSize + windowWords*wordBits, 0},
		{"what shared its place", 101 + windowSize, ErrTooOld},
		{"inside, its place used before", 101 + windowSize + windowWords*wordBits - 1, 0},
		{"far ahead", far, 0},
		{"far ahead again", far, ErrReplay},
		{"just behind", far - 1, 0},
		{"1023 behind", far - windowSize + 1, 0},
		{"1024 behind", far - windowSize, ErrTooOld},
		{"the last counter", math.MaxUint64, 0},
		{"the last counter again", math.MaxUint64, ErrReplay},
		{"1023 behind the last", math.MaxUint64 - windowSize + 1, 0},
		{"wrapped around", 0, ErrTooOld},
		{"wrapped around by one", 1, ErrTooOld},
	}
	var w window
	w.start(100)
	for _, s := range steps {
		got := w.check(s.counter)
		if got != s.want {
			t.Fatalf("%s: %d is %v, want %v", s.what, s.counter, got, s.want)
		}
		if got == 0 {
			w.mark(s.counter)
		}
	}
}

func TestWindowStartsAtEveryPlaceOfAWord(t *testing.T) {
	for first := range uint64(3 * wordBits) {
		var w window
		w.start(first)
		for c := range first + 1 {
			if w.check(c) != ErrReplay {
				t.Fatalf("began at %d: %d is fresh", first, c)
			}
		}
		for c := first + 1; c < first+windowSize; c++ {
			if w.check(c) != 0 {
				t.Fatalf("began at %d: %d is refused", first, c)
			}
			w.mark(c)
		}
	}
}

// TestWindowAgainstAMap compares the window with the plain rule over random
// steps of every size.
func TestWindowAgainstAMap(t *testing.T) {
	const steps = 200_000
	random := rand.New(rand.NewPCG(1, 2))
	var w window
	newest := uint64(5000)
	w.start(newest)
	first, seen := newest, map[uint64]bool{}
	for range steps {
		c := newest + 3 - random.Uint64N(windowSize+10)
		if random.IntN(100) == 0 {
			c = newest + random.Uint64N(3*windowSize)
		}
		want := Refusal(0)
		switch {
		case c <= newest && newest-c >= windowSize:
			want = ErrTooOld
		case c <= first || seen[c]:
			want = ErrReplay
		}
		if got := w.check(c); got != want {
			t.Fatalf("%d after %d is %v, want %v", c, newest, got, want)
		}
		if want == 0 {
			w.mark(c)
			seen[c], newest = true, max(newest, c)
		}
	}
}
