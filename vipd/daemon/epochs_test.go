package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A daemon whose state file is lost grants above the epochs of earlier daemons of this
// boot, also of those before the last.
func TestEpochsGrowWithoutAStateFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.b.kill()
		time.Sleep(time.Second)
		granted := p.a.d.Status().Tokens[0].Epoch
		for range 2 {
			p.a.kill()
			if err := os.Remove(filepath.Join(p.a.dir, "state.json")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			p.a.boot()
		}
		time.Sleep(time.Minute) // a start beside a silent network waits
		p.until(p.a, front)
		if now := p.a.d.Status().Tokens[0].Epoch; now <= granted {
			t.Errorf("granted %d after %d", now, granted)
		}
	})
}
