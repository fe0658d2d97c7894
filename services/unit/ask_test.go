package unit

import (
	"context"
	"sync"
	"testing"
	"time"
)

// All questions for states go by one connection, which is made anew when the bus has
// gone away; each ends in its time while nobody answers.
func TestState(t *testing.T) {
	o := openOffice(t)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+o.path())
	t.Cleanup(func() {
		if l := <-desk; l != nil {
			l.Close()
		}
		desk <- nil
	})
	const inactive = "inactive"
	ask := func() {
		t.Helper()
		if state, err := State(t.Context(), historian); err != nil || state != inactive {
			t.Errorf("%q, %v", state, err)
		}
	}
	ask()
	var all sync.WaitGroup
	for range 50 {
		all.Go(ask)
	}
	all.Wait()
	conns := func() int {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.conns)
	}
	if n := conns(); n != 2 { // one for signals
		t.Errorf("%d connections, want the two of one link", n)
	}
	for range 3 {
		o.close()
		o.open()
		ask()
	}
	o.await("two connections", func() bool { return conns() == 2 })
	if state, err := State(t.Context(), "other.service"); err == nil && state == "active" {
		t.Errorf("what is not there is %s", state)
	}
	l := <-desk // somebody waits for a bus that doesn't answer
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := State(ctx, historian); err == nil || time.Since(began) > patience/2 {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	desk <- l
	ask()
}
