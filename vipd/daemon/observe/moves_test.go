package observe

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestMovesAreCountedForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := Moves{}
		for _, holder := range []uint8{1, 1, 0, 1, 2, 0, 2, 1} {
			m.Seen("vip:front", holder)
		}
		if n := m.Count("vip:front"); n != 2 {
			t.Errorf("%d moves, want 2: 1 to 2 and back", n)
		}
		time.Sleep(time.Hour + time.Second)
		if n := m.Count("vip:front"); n != 0 || m.Count("vip:other") != 0 {
			t.Errorf("%d moves after an hour", n)
		}
		for i := range 5000 {
			m.Seen("vip:front", uint8(1+i%2))
		}
		if n := m.Count("vip:front"); n > movesKept {
			t.Errorf("%d are kept", n)
		}
	})
}
