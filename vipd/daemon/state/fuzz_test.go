package state

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// FuzzStateFile: whatever the state file holds, it is set aside, or it is what the next
// daemon reads too, and a record of another boot makes nobody a holder.
func FuzzStateFile(f *testing.F) {
	f.Add(`{"version":1,"high_water":2000,"suspended":true,"boot":"00","records":{"vip:a":{"epoch":513,"holder":true,"to":2}},"halted":["group:x"]}`)
	f.Add(`{"version":1,"start":7,"peer_starts":{"2":9}}`)
	f.Add(`{"version":1,"high_water":18446744073709551615,"records":null}`)
	f.Add(`{"version":2}`)
	f.Add(`{"version":1,"peer_starts":{"300":1}}`)
	f.Add(`{`)
	f.Add("{\"version\":1,\"halted\":[\"\xff\"]}{}")
	dir := f.TempDir()
	path := filepath.Join(dir, "state.json")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := Open(dir)
		if s.lost != nil {
			if kept, err := os.ReadFile(s.aside); err != nil || string(kept) != text {
				t.Errorf("set aside %q: %v", kept, err)
			}
			os.Remove(s.aside)
		}
		sameBoot := s.State().Boot == s.boot
		for name := range s.State().Records {
			if s.Record(name).Holder && !sameBoot {
				t.Errorf("a holder of %q by the record of another boot", name)
			}
		}
		if err := s.change(func(s *State) { s.halt("group:x", true) }); err != nil {
			t.Fatal(err)
		}
		again := Open(dir)
		if again.lost != nil {
			t.Fatalf("it can't be read again: %v", again.lost)
		}
		if was, is := asJSON(t, s.State()), asJSON(t, again.State()); was != is {
			t.Errorf("written %s, read back %s", was, is)
		}
	})
}

func asJSON(t *testing.T, s State) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
