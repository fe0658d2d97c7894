package seal

import "testing"

// lives is a sender with several sessions, and an opener that hears it.
type lives struct {
	*testing.T
	ring   *Ring
	opener *Opener
	sealer map[uint64]*Sealer
}

func newLives(t *testing.T) *lives {
	ring := newRing(t, plant, testKey(0))
	return &lives{t, ring, NewOpener(ring), map[uint64]*Sealer{}}
}

// says returns the next datagram of a session.
func (l *lives) says(session uint64) []byte {
	if l.sealer[session] == nil {
		l.sealer[session] = newSealer(l.T, l.ring, session)
	}
	return l.sealer[session].Seal(nil, nil)
}

// hears opens the next datagram of a session and returns it.
func (l *lives) hears(session uint64) []byte {
	l.Helper()
	datagram := l.says(session)
	opens(l.T, l.opener, datagram, "")
	return datagram
}

// confirms confirms a session.
func (l *lives) confirms(session uint64, want bool) {
	l.Helper()
	if got := l.opener.Confirm(sender, session); got != want {
		l.Fatalf("Confirm(%d) = %v, want %v", session, got, want)
	}
}

// retires retires a session, which is refused and not to be confirmed then.
func (l *lives) retires(session uint64) {
	l.Helper()
	l.opener.Retire(sender, session)
	refuses(l.T, l.opener, l.says(session), ErrRetired)
	l.confirms(session, false)
}

func TestReplayOfALiveSession(t *testing.T) {
	l := newLives(t)
	first := l.hears(1)
	skipped := l.says(1)
	third := l.hears(1)
	refuses(t, l.opener, first, ErrReplay)
	refuses(t, l.opener, third, ErrReplay)
	opens(t, l.opener, skipped, "") // late, not replayed
	refuses(t, l.opener, skipped, ErrReplay)
	for range windowSize {
		l.hears(1)
	}
	refuses(t, l.opener, third, ErrTooOld)
}

func TestConfirmRetiresTheSessionBefore(t *testing.T) {
	l := newLives(t)
	l.confirms(1, false) // never heard
	l.hears(1)
	l.confirms(1, true)
	l.confirms(1, true) // may be said again
	l.hears(2)
	l.hears(1) // both open until one is proved
	l.confirms(2, true)
	refuses(t, l.opener, l.says(1), ErrRetired)
	l.confirms(1, false)
	l.hears(2)
}

// A recording of earlier lives is authentic. It must not make the opener forget
// what it saw of the live one.
func TestRecordingsDontDisplaceTheConfirmedSession(t *testing.T) {
	l := newLives(t)
	heard := l.hears(100)
	l.confirms(100, true)
	for old := range uint64(3 * maxRetired) {
		l.hears(old)
	}
	refuses(t, l.opener, heard, ErrReplay)
	l.hears(100)
}

// An unconfirmed session is forgotten when another is heard; what it said before
// must not come in again once it is heard anew.
func TestForgottenNewcomerDoesNotComeInAgain(t *testing.T) {
	l := newLives(t)
	before := l.hears(1)
	l.hears(2)
	l.confirms(1, false) // 2 displaced it
	l.hears(1)
	refuses(t, l.opener, before, ErrReplay)
	l.confirms(1, true)
}

func TestRetire(t *testing.T) {
	l := newLives(t)
	l.hears(1)
	l.confirms(1, true)
	l.retires(1) // the live one
	l.hears(2)
	l.retires(2) // a newcomer
	l.retires(3) // one that was never heard
	l.retires(3)
	l.hears(4)
	l.confirms(4, true)
}

func TestOnlySoManyRetiredSessionsAreRemembered(t *testing.T) {
	l := newLives(t)
	for session := range uint64(maxRetired) {
		l.retires(session)
		l.retires(session) // again, and it takes no second place
	}
	refuses(t, l.opener, l.says(0), ErrRetired)
	l.retires(maxRetired)
	l.hears(0) // the oldest of nine is forgotten
	refuses(t, l.opener, l.says(1), ErrRetired)
}

func TestSendersAreApart(t *testing.T) {
	ring := newRing(t, plant, testKey(0))
	o := NewOpener(ring)
	for slot := range uint8(32) {
		s := NewSealer(ring, slot, live)
		if h := opens(t, o, s.Seal(nil, []byte{slot}), string(slot)); h.Sender != slot {
			t.Errorf("sender %d, want %d", h.Sender, slot)
		}
		if !o.Confirm(slot, live) {
			t.Errorf("session of %d is unknown", slot)
		}
	}
	o.Retire(0, live)
	if !o.Confirm(1, live) {
		t.Error("retiring a session of 0 retired that of 1")
	}
}
