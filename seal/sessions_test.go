package seal

import "testing"

// sessionTest is a sender with several sessions, and an opener that hears it. A
// session is named by a number, which is its start too, unless start says other.
type sessionTest struct {
	*testing.T
	ring   *Ring
	opener *Opener
	sealer map[uint64]*Sealer
	start  map[uint64]uint64 // by session
}

func newSessionTest(t *testing.T) *sessionTest {
	ring := newRing(t, plant, testKey(0))
	return &sessionTest{t, ring, NewOpener(ring, Heartbeat), map[uint64]*Sealer{}, map[uint64]uint64{}}
}

// seals returns the next datagram of a session.
func (l *sessionTest) seals(session uint64) []byte {
	if l.sealer[session] == nil {
		start, ok := l.start[session]
		if !ok {
			start = session
		}
		l.sealer[session] = NewSealer(l.ring, stream(start, session))
	}
	return l.sealer[session].Seal(nil, nil)
}

// hears opens the next datagram of a session and returns it.
func (l *sessionTest) hears(session uint64) []byte {
	l.Helper()
	datagram := l.seals(session)
	opens(l.T, l.opener, datagram, "")
	return datagram
}

func (l *sessionTest) refuses(datagram []byte, want Refusal) {
	l.Helper()
	refuses(l.T, l.opener, datagram, want)
}

func (l *sessionTest) confirms(session uint64, want bool) {
	l.Helper()
	if got := l.opener.Confirm(sender, session); got != want {
		l.Fatalf("Confirm(%d) = %v, want %v", session, got, want)
	}
}

// retires retires a session, which is refused and not to be confirmed then.
func (l *sessionTest) retires(session uint64) {
	l.Helper()
	l.opener.Retire(sender, session)
	l.refuses(l.seals(session), ErrRetired)
	l.confirms(session, false)
}

func (l *sessionTest) starts(confirmed, least uint64) {
	l.Helper()
	if c, n := l.opener.Confirmed(sender), l.opener.Least(sender); c != confirmed || n != least {
		l.Errorf("confirmed start %d, least %d, want %d and %d", c, n, confirmed, least)
	}
}

func TestReplayOfALiveSession(t *testing.T) {
	l := newSessionTest(t)
	first := l.hears(1)
	skipped := l.seals(1)
	third := l.hears(1)
	l.refuses(first, ErrReplay)
	l.refuses(third, ErrReplay)
	opens(t, l.opener, skipped, "") // late, not replayed
	l.refuses(skipped, ErrReplay)
	for range windowSize {
		l.hears(1)
	}
	l.refuses(third, ErrTooOld)
}

func TestConfirmRetiresTheSessionBefore(t *testing.T) {
	l := newSessionTest(t)
	l.confirms(1, false) // never heard
	l.hears(1)
	l.starts(0, 1)
	l.confirms(1, true)
	l.confirms(1, true) // may be said again
	l.starts(1, 1)
	l.hears(2)
	l.hears(1) // both open until the new one is proved
	l.starts(1, 2)
	l.confirms(2, true)
	l.refuses(l.seals(1), ErrRetired)
	l.confirms(1, false)
	l.hears(2)
	l.starts(2, 2)
}

// A recording of earlier sessions is authentic. Their start gives them away,
// however many they are and whatever the order.
func TestRecordingsOfEarlierSessionsAreRefused(t *testing.T) {
	l := newSessionTest(t)
	var recorded [][]byte
	for old := range uint64(99) {
		recorded = append(recorded, l.seals(old+1))
	}
	heard := l.hears(100)
	l.confirms(100, true)
	for _, datagram := range recorded {
		l.refuses(datagram, ErrOldStart)
	}
	l.refuses(heard, ErrReplay)
	l.hears(100)
	l.starts(100, 100)
}

// An opener that has confirmed nothing yet lets recordings open. It opens each
// datagram once at most, in whatever turns the sessions come.
func TestRecordingsInTurnsOpenOnce(t *testing.T) {
	l := newSessionTest(t)
	recorded := map[uint64][][]byte{}
	for session := range uint64(20) {
		for range 50 {
			recorded[session+1] = append(recorded[session+1], l.seals(session+1))
		}
	}
	opened := 0
	for round := range 200 {
		for session := uint64(1); session <= 20; session++ {
			for _, datagram := range recorded[session][round%50 : round%50+1] {
				if _, _, err := l.opener.Open(nil, datagram); err == nil {
					opened++
				}
			}
		}
	}
	if opened > 19+50 { // one of each that a greater start displaced, and all of the greatest
		t.Errorf("%d datagrams opened, of 1000 that came 4 times each", opened)
	}
	l.hears(21) // the sender itself is heard nevertheless
	l.confirms(21, true)
	l.refuses(recorded[20][49], ErrOldStart)
}

// A pending session changes nothing of the confirmed one, nor does its end.
func TestPendingSessionLeavesTheConfirmedOne(t *testing.T) {
	l := newSessionTest(t)
	first := l.hears(1)
	l.confirms(1, true)
	for session := uint64(2); session < 30; session++ {
		l.hears(session)
		l.hears(1)
	}
	l.refuses(first, ErrReplay)
	l.refuses(l.seals(28), ErrOldStart)
	l.opener.Retire(sender, 29)
	l.hears(28)
	l.starts(1, 28)
}

// What an earlier opener knew is all that is needed to refuse a recording; the
// session that it knew last comes in again.
func TestRemember(t *testing.T) {
	l := newSessionTest(t)
	l.opener.Remember(sender, 5)
	l.opener.Remember(sender, 4) // never lowers
	l.starts(5, 5)
	l.refuses(l.seals(4), ErrOldStart)
	l.hears(5)
	l.confirms(5, true)
	l.starts(5, 5)
}

// A sender that lost its counter seals with 0. It is heard beside any other, and
// raises nothing; a few such sessions keep their windows beside each other.
func TestSenderWithoutAStart(t *testing.T) {
	l := newSessionTest(t)
	for session := uint64(200); session < 206; session++ {
		l.start[session] = 0
	}
	l.hears(7)
	l.confirms(7, true)
	var heard [][]byte
	for session := uint64(200); session < 200+maxOdd; session++ {
		heard = append(heard, l.hears(session))
	}
	for range 3 {
		for _, datagram := range heard {
			l.refuses(datagram, ErrReplay)
		}
	}
	l.hears(200) // now the one heard last
	l.hears(204) // displaces 201
	l.confirms(201, false)
	l.confirms(200, true)
	l.starts(7, 7)
	l.refuses(l.seals(7), ErrRetired)
	l.refuses(l.seals(6), ErrOldStart)
	l.hears(8) // it was told its counter meanwhile
	l.confirms(8, true)
	l.refuses(l.seals(200), ErrRetired)
}

// Two sessions of one start are of a node whose disk was put back. Neither keeps
// the other out before one is proved.
func TestSessionsOfOneStart(t *testing.T) {
	l := newSessionTest(t)
	l.start[50], l.start[51] = 9, 9
	l.hears(50)
	heard := l.hears(51)
	l.hears(50)
	l.refuses(heard, ErrReplay)
	l.confirms(51, true)
	l.starts(9, 9)
	l.hears(50) // stays pending
	l.hears(10)
	l.refuses(l.seals(50), ErrOldStart)
}

// A datagram that claims a known session under another start is forged, and
// changes nothing of it.
func TestStartBelongsToTheSession(t *testing.T) {
	l := newSessionTest(t)
	l.hears(3)
	l.confirms(3, true)
	forged := l.seals(3)
	forged[atStart+7] = 4
	l.refuses(forged, ErrForged)
	forged[atStart+7] = 2
	l.refuses(forged, ErrOldStart)
	l.starts(3, 3)
}

func TestRetire(t *testing.T) {
	l := newSessionTest(t)
	l.hears(1)
	l.confirms(1, true)
	l.retires(1) // the live one
	l.hears(2)
	l.retires(2) // a pending one
	l.retires(3) // one that was never heard
	l.retires(3)
	l.hears(4)
	l.confirms(4, true)
}

func TestOnlySoManyRetiredSessionsAreRemembered(t *testing.T) {
	l := newSessionTest(t)
	for session := range uint64(maxRetired) {
		l.start[session] = 1
		l.retires(session)
		l.retires(session) // again, and it takes no second place
	}
	l.refuses(l.seals(0), ErrRetired)
	l.retires(maxRetired)
	l.hears(0) // the oldest of nine is forgotten
	l.refuses(l.seals(1), ErrRetired)
}

func TestSendersAreApart(t *testing.T) {
	ring := newRing(t, plant, testKey(0))
	o := NewOpener(ring, Heartbeat)
	for slot := range uint8(32) {
		s := NewSealer(ring, Stream{Heartbeat, slot, uint64(40 - slot), live})
		if h := opens(t, o, s.Seal(nil, []byte{slot}), string(slot)); h.Sender != slot {
			t.Errorf("sender %d, want %d", h.Sender, slot)
		}
		if !o.Confirm(slot, live) {
			t.Errorf("session of %d is unknown", slot)
		}
	}
	o.Retire(0, live)
	if !o.Confirm(1, live) || o.Confirmed(1) != 39 {
		t.Error("what is known of 0 is known of 1")
	}
}
