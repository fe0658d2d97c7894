package seal

// Sizes of the replay window, in counters.
const (
	windowSize  = 1024
	wordBits    = 64
	windowWords = windowSize/wordBits + 1 // one more, as the window's ends rarely lie on a word
)

// window remembers which of the newest 1024 counters of a session were seen. It
// is a ring of words as in RFC 6479: the word of a counter is found by its
// number, so that moving on clears whole words and shifts nothing.
//
//	         newest-1023            newest
//	             |                     |
//	---too old---[ seen or not, 1 bit  ]--- ahead: fresh ---
type window struct {
	newest uint64
	seen   [windowWords]uint64
}

// start begins the window at the first counter heard of a session. What came
// before it counts as seen: a session that was forgotten and heard anew must not
// let its past in again.
func (w *window) start(counter uint64) {
	for i := range w.seen {
		w.seen[i] = ^uint64(0)
	}
	w.newest = counter
	w.seen[counter/wordBits%windowWords] = ^uint64(0) >> (wordBits - 1 - counter%wordBits)
}

// check returns why the counter is refused, or 0.
func (w *window) check(counter uint64) Refusal {
	if counter > w.newest {
		return 0
	}
	if w.newest-counter >= windowSize {
		return ErrTooOld
	}
	if w.seen[counter/wordBits%windowWords]&(1<<(counter%wordBits)) != 0 {
		return ErrReplay
	}
	return 0
}

// mark notes a counter that check let through.
func (w *window) mark(counter uint64) {
	if counter > w.newest {
		w.advance(counter)
	}
	w.seen[counter/wordBits%windowWords] |= 1 << (counter % wordBits)
}

// advance makes counter the newest and clears the words that come into reach.
func (w *window) advance(counter uint64) {
	words := min(counter/wordBits-w.newest/wordBits, windowWords)
	for i := range words {
		w.seen[(counter/wordBits-i)%windowWords] = 0
	}
	w.newest = counter
}
