package clock

import (
	"testing"
	"time"
)

const ms = int64(time.Millisecond)

func exchange(offset, out, back int64) Exchange {
	return Exchange{Sent: 0, Received: Wall(out + offset), Answered: Wall(out + offset), Back: Wall(out + back)}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name              string
		offset, out, back int64
		want              Verdict
	}{
		{"equal clocks", 0, ms, ms, Within},
		{"peer ahead by 0.9 s", 900 * ms, ms, ms, Within},
		{"peer behind by 0.9 s", -900 * ms, ms, ms, Within},
		{"ahead by 1.1 s", 1100 * ms, ms, ms, Beyond},
		{"behind by 1.1 s", -1100 * ms, ms, ms, Beyond},
		{"at the limit, no doubt", 1000 * ms, 0, 0, Within},
		{"0.9 s with 200 ms of doubt", 900 * ms, 200 * ms, 200 * ms, CannotTell},
		{"1.1 s with 200 ms of doubt", 1100 * ms, 200 * ms, 200 * ms, CannotTell},
		{"one slow direction stays within the doubt", 0, 0, 300 * ms, Within},
	} {
		var e Estimator
		e.Add(0, exchange(0, 0, 0)) // the first is thrown away
		e.Add(1, exchange(c.offset, c.out, c.back))
		if got := e.At(2).Verdict(); got != c.want {
			t.Errorf("%s: %v, want %v (%+v)", c.name, got, c.want, e.At(2))
		}
	}
}

func TestTruthWithinDoubt(t *testing.T) {
	for _, offset := range []int64{-2000 * ms, -3 * ms, 0, 700 * ms} {
		for _, out := range []int64{0, ms, 40 * ms} {
			for _, back := range []int64{0, 2 * ms, 90 * ms} {
				got, doubt := exchange(offset, out, back).Offset()
				if (got - time.Duration(offset)).Abs() > doubt {
					t.Errorf("offset %d out %d back %d: %v ± %v", offset, out, back, got, doubt)
				}
			}
		}
	}
}

func TestBestOfTheLast(t *testing.T) {
	var e Estimator
	if e.At(0).Verdict() != CannotTell {
		t.Fatal("a verdict without an exchange")
	}
	e.Add(0, exchange(0, 0, 0))
	if e.At(0).Known {
		t.Fatal("the first exchange was believed")
	}
	e.Add(1, exchange(5*ms, 30*ms, 30*ms))
	e.Add(2, exchange(5*ms, ms, ms))
	e.Add(3, exchange(5*ms, 50*ms, 50*ms))
	if got := e.At(3).Doubt; got != time.Millisecond {
		t.Errorf("doubt %v, want that of the quickest exchange", got)
	}
	if e.At(Instant(11 * time.Second)).Known {
		t.Error("an old exchange still counts")
	}
}

func TestStepIsSeenAtOnce(t *testing.T) {
	var e Estimator
	for i := range 10 {
		e.Add(Instant(i), exchange(0, ms/10, ms/10))
	}
	e.Add(10, exchange(1500*ms, ms, ms))
	if got := e.At(10).Verdict(); got != Beyond {
		t.Errorf("after a step of 1.5 s: %v", got)
	}
}

func TestInstant(t *testing.T) {
	if Never.Add(time.Hour) != Never || Instant(5).Add(3) != 8 || Instant(5).Sub(3) != 2 || Min(4, Never) != 4 {
		t.Error("instant arithmetic")
	}
	if Beyond.String() != "beyond" || Within.String() != "within" || CannotTell.String() != "unknown" {
		t.Error("verdict words")
	}
}
