package boot

import (
	"testing"
	"time"
)

// The timer is on time, and ends when it is stopped.
func TestTimer(t *testing.T) {
	a, err := NewTimer()
	if err != nil {
		t.Fatal(err)
	}
	for _, wait := range []time.Duration{2 * time.Millisecond, -time.Second, 300 * time.Microsecond} {
		at := Now().Add(wait)
		if !a.Wait(at) || Now() < at {
			t.Errorf("%v: too early", wait)
		}
	}
	time.AfterFunc(time.Millisecond, a.Stop)
	if a.Wait(Now().Add(10 * time.Second)) {
		t.Error("stopped, and rang")
	}
}
