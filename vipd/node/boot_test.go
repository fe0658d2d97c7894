package node

import (
	"reflect"
	"testing"
	"time"

	"vipd/heartbeat/clock"
	"vipd/token"
)

// Every way in which a token can be found, and what becomes of it.
func TestBootDecides(t *testing.T) {
	const now, longest = clock.Instant(10 * time.Second), 2 * time.Second
	lasts := Left{Epoch: 0x501, Expiry: now.Add(50 * ms), Since: now.Add(-time.Minute), Pinned: true}
	ended := Left{Epoch: 0x501, Expiry: now.Add(-ms), Since: now.Add(-time.Minute)}
	holder := token.Record{Epoch: 0x501, Holder: true}
	longAgo := Left{Epoch: 0x501, Expiry: now.Add(-token.ForceAfter * 4 / 5), Since: clock.Instant(1)}
	for _, c := range []struct {
		name  string
		found Found
		want  BootAction // nil: none
	}{
		{"an address whose lease lasts", Found{Up: true, Lease: lasts}, Adopt{Lease: lasts}},
		{"an address whose lease has ended", Found{Up: true, Lease: ended}, Remove{}},
		{"an address without a lease", Found{Up: true}, Remove{}},
		{"an address that is not there", Found{Lease: lasts}, nil},
		{"an address that the record says is held", Found{Up: true, Lease: ended, Bits: token.DisableInheritance, Record: holder}, Remove{}},
		{"a lease about to end", Found{Up: true, Lease: Left{Epoch: 1, Expiry: now.Add(2 * ms)}}, Remove{}},
		{"a lease that no daemon wrote", Found{Up: true, Lease: Left{Epoch: 1, Expiry: now.Add(longest + 1)}}, Remove{}},
		{"a lease that begins later", Found{Up: true, Lease: Left{Epoch: 1, Expiry: now.Add(50 * ms), Since: now + 1}}, Remove{}},
		{"a group whose lease lasts", Found{Group: true, Up: true, Lease: lasts}, Adopt{Lease: lasts}},
		{"a group whose lease has ended", Found{Group: true, Up: true, Lease: ended, Record: holder}, Remove{}},
		{"a group that no other node inherits", Found{Group: true, Up: true, Lease: ended, Bits: token.DisableInheritance, Record: holder},
			Adopt{Lease: Left{Epoch: 0x501, Expiry: now, Since: now}}},
		{"a group that an operator may have ordered to another node meanwhile", Found{Group: true, Up: true, Lease: longAgo, Bits: token.DisableInheritance, Record: holder}, Remove{}},
		{"a group whose lease is of another grant", Found{Group: true, Up: true, Lease: ended, Bits: token.DisableInheritance, Record: token.Record{Epoch: 0x701, Holder: true}}, Remove{}},
		{"a group without a lease of this boot", Found{Group: true, Up: true, Bits: token.DisableInheritance, Record: holder}, Remove{}},
		{"a group that was given away", Found{Group: true, Up: true, Bits: token.DisableInheritance, Record: token.Record{Epoch: 0x701, To: 2}}, Remove{}},
		{"a group of which nothing is left", Found{Group: true, Bits: token.DisableInheritance, Record: holder}, nil},
		{"a group that all run", Found{Group: true, Up: true, Lease: ended, Bits: token.AllowMultiple},
			Adopt{Lease: Left{Epoch: ended.Epoch, Expiry: now, Since: ended.Since}}},
		{"a group that all run, which was given up", Found{Group: true, Up: true, Lease: Left{Epoch: 0x501}, Bits: token.AllowMultiple}, Remove{}},
		{"a group that all run, of unknown epoch", Found{Group: true, Up: true, Bits: token.AllowMultiple}, Remove{}},
	} {
		var got BootAction
		if list := Boot(now, longest, []Found{c.found}, Kept{}); len(list) > 3 {
			got = list[0]
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// What was given up is not resumed, though the record may not know it yet; its epoch is
// told all the same.
func TestBootAfterGivingUp(t *testing.T) {
	const now = clock.Instant(3 * time.Second) // the zero expiry is no recent one
	found := []Found{{Lease: Left{Epoch: 0x501}, Bits: token.DisableInheritance, Record: token.Record{Epoch: 0x501, Holder: true}}}
	got := Boot(now, time.Second, found, Kept{})[0]
	if want := (Tell{token.Batch{token.RestoreRecord{Record: token.Record{Epoch: 0x501}, Seen: 0x501}}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Groups come before the addresses that may need them, and what the disk keeps is told
// when all of it is decided.
func TestBootInOrder(t *testing.T) {
	record := token.Record{Epoch: 7, Holder: true}
	lease := Left{Epoch: 7, Expiry: clock.Instant(time.Hour - time.Second)}
	got := Boot(clock.Instant(time.Hour), time.Second, []Found{{Token: 0, Up: true}, {Token: 1, Up: true, Group: true}, {Token: 2, Lease: lease, Record: record}, {Token: 3, Record: record}},
		Kept{Suspended: true, Halted: []string{"group:g"}})
	want := []BootAction{Remove{1}, Remove{0}, Tell{token.Batch{token.RestoreRecord{Token: 0}, token.RestoreRecord{Token: 1}, token.RestoreRecord{Token: 2, Record: record, Seen: 7},
		token.RestoreRecord{Token: 3, Record: token.Record{Epoch: 7}}}},
		Tell{StoppedGroups{Names: []string{"group:g"}}}, Tell{Suspended{On: true}}, Tell{token.Booted{}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v,\nwant %+v", got, want)
	}
}
