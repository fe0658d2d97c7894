package daemon

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// A disk that can't be written is an alarm until it can, and what is held stays.
func TestDiskTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.a.d.diskTrouble(fmt.Errorf("write state: %w", errors.New("no space left on device")))
		if text := alarms(p.a); !strings.Contains(text, "no space left on device") {
			t.Errorf("alarms: %s", text)
		}
		p.a.d.diskTrouble(nil)
		if text := alarms(p.a); strings.Contains(text, "space") {
			t.Errorf("alarms: %s", text)
		}
	})
}
