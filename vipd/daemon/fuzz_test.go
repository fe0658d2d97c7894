package daemon

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vipd/heartbeat/clock"
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
		s := openStore(dir)
		if s.lost != nil {
			if kept, err := os.ReadFile(s.aside); err != nil || string(kept) != text {
				t.Errorf("set aside %q: %v", kept, err)
			}
			os.Remove(s.aside)
		}
		sameBoot := s.state().Boot == s.boot
		for name := range s.state().Records {
			if s.record(name).Holder && !sameBoot {
				t.Errorf("a holder of %q by the record of another boot", name)
			}
		}
		if err := s.change(func(s *stored) { s.halt("group:x", true) }); err != nil {
			t.Fatal(err)
		}
		again := openStore(dir)
		if again.lost != nil {
			t.Fatalf("it can't be read again: %v", again.lost)
		}
		if was, is := asJSON(t, s.state()), asJSON(t, again.state()); was != is {
			t.Errorf("written %s, read back %s", was, is)
		}
	})
}

func asJSON(t *testing.T, s stored) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzLeasePage: whatever an earlier daemon's page holds, only leases that a daemon
// could have written are adopted, and the page is empty then.
func FuzzLeasePage(f *testing.F) {
	const longest = time.Second
	now := clock.Instant(time.Hour)
	head := binary.NativeEndian.AppendUint64(nil, pageMagic)
	this := thisBoot()
	head = append(head, this[:]...)
	rowOf := func(words ...uint64) (b []byte) {
		for _, w := range words {
			b = binary.NativeEndian.AppendUint64(b, w)
		}
		return b
	}
	f.Add(head)
	f.Add(append(head, rowOf(7, 513, uint64(now.Add(longest/2)), uint64(now), 1)...))
	f.Add(append(head, rowOf(7, 513, 1<<63, 1<<63, 0)...))
	f.Add(append(head, rowOf(7, 513, 1<<63-1, 0, 0)...))
	f.Add([]byte("vipdpag0"))
	path := filepath.Join(f.TempDir(), "leases")
	f.Fuzz(func(t *testing.T, octets []byte) {
		if err := os.WriteFile(path, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		p, left, err := openPage(path)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		for _, r := range left {
			if lease := r.lease(); lease.Lasts(now, longest) && (r.expiry <= now || r.expiry > now.Add(longest) || r.since > now || r.id == 0) {
				t.Errorf("adopted: %+v", r)
			}
		}
		if rest := p.rows(); len(rest) != 0 {
			t.Errorf("left in the page: %+v", rest)
		}
	})
}
