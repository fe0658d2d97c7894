package observe

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An alarm stands until it is cleared; one that is raised for a while ends by itself, but
// does not take a newer text of its subject with it.
func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := NewAlarms(slog.New(slog.NewTextHandler(&log, nil)))
		a.Warn("disk", "full")
		a.Set("path", "closed")
		a.Set("path", "")
		a.RaiseFor("short", "once", time.Second)
		a.RaiseFor("replaced", "old", time.Second)
		a.Raise("replaced", "new")
		for range 2 {
			a.SetUnusable([]string{"no such interface"})
		}
		if got, want := a.List(), []string{"full", "new", "no such interface", "once"}; !slices.Equal(got, want) {
			t.Errorf("alarms %q, want %q", got, want)
		}
		time.Sleep(2 * time.Second)
		if a.Raised("short") || !a.Raised("replaced") || !a.Raised("disk") {
			t.Errorf("after a second: %q", a.List())
		}
		a.Clear("disk")
		a.SetUnusable(nil)
		if got, want := a.List(), []string{"new"}; !slices.Equal(got, want) {
			t.Errorf("alarms %q, want %q", got, want)
		}
		if n := strings.Count(log.String(), "no such interface"); n != 1 || !strings.Contains(log.String(), "full") {
			t.Errorf("logged %d times: %s", n, log.String())
		}
	})
}
