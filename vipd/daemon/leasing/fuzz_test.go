package leasing

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// FuzzLeasePage: whatever an earlier daemon's page holds, only leases that a daemon
// could have written are adopted, and the page is empty then.
func FuzzLeasePage(f *testing.F) {
	const longest = time.Second
	now := clock.Instant(time.Hour)
	head := binary.NativeEndian.AppendUint64(nil, pageMagic)
	this := boot.This()
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
		p, left, err := OpenPage(path)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for _, r := range left {
			if lease := r.Found(); lease.Lasts(now, longest) && (r.Expiry <= now || r.Expiry > now.Add(longest) || r.Since > now || r.ID == 0) {
				t.Errorf("adopted: %+v", r)
			}
		}
		if rest := p.rows(); len(rest) != 0 {
			t.Errorf("left in the page: %+v", rest)
		}
	})
}
