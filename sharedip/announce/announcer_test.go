package announce

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// An address is taken and announced in two forms. One of two neighbours answers. A foreign
// host claims the address after 20 s. The refresh follows.
func TestTakeToRefresh(t *testing.T) {
	start, answering, mute := time.Unix(1000, 0), netip.MustParseAddr("192.0.2.254"), netip.MustParseAddr("192.0.2.9")
	claim := start.Add(20 * time.Second)
	var limits Limits
	var address Announcer
	var announced, asked, defended []int // ms
	var silent []netip.Addr
	address.Take(start)
	for now := start; now.Sub(start) < 61*time.Second; now = address.Due() {
		if now.After(claim) && len(defended) == 0 {
			now = claim
			address.Claimed(now)
		}
		at := int(now.Sub(start) / time.Millisecond)
		if address.AnnouncementDue(now) {
			if first, n, ok := address.Forms(now, 2, 2, &limits); !ok || first != 0 || n != 2 {
				t.Fatalf("forms %d, %d, %v at %d ms", first, n, ok, at)
			}
			announced = append(announced, at)
			if address.Sent(now, 2, 2) {
				defended = append(defended, at)
			}
		}
		if address.ProofBegins(now) {
			address.SetNeighbors([]netip.Addr{answering, mute})
		}
		if address.ProofDue(now) {
			step := address.Prove(now, &limits)
			silent = append(silent, step.Silent...)
			if len(step.Ask) > 0 {
				asked = append(asked, at)
			}
			address.Answered(answering, now)
		}
	}
	if want := []int{0, 50, 150, 20000, 60150}; !slices.Equal(announced, want) {
		t.Errorf("announced at %v ms, want %v", announced, want)
	}
	if want := []int{20000}; !slices.Equal(defended, want) {
		t.Errorf("defended at %v ms, want %v", defended, want)
	}
	// While the claim is recent, one question follows the defence, and no more.
	want := []int{0, 20, 60, 160, 400, 900, 1900, 2900, 3900, 20000, 60150, 60170, 60210, 60310, 60550}
	if !slices.Equal(asked, want) {
		t.Errorf("asked at %v ms, want %v", asked, want)
	}
	if want := []netip.Addr{mute, mute}; !slices.Equal(silent, want) {
		t.Errorf("silent: %v, want %v", silent, want)
	}
}

// A full queue or a rate puts the announcement off, and the forms that went out are not
// sent again.
func TestFormsGoOn(t *testing.T) {
	now := time.Unix(1000, 0)
	var limits Limits
	var address Announcer
	address.Take(now)
	if _, n, ok := address.Forms(now, 2, 1, &limits); !ok || n != 1 {
		t.Fatalf("%d forms at once, %v", n, ok)
	}
	address.Sent(now, 2, 1)
	address.Postpone(now, QueueDelay)
	if address.AnnouncementDue(now) {
		t.Error("due although it was put off")
	}
	now = now.Add(QueueDelay)
	if first, n, ok := address.Forms(now, 2, 2, &limits); !ok || first != 1 || n != 1 {
		t.Errorf("then %d forms from %d on, %v", n, first, ok)
	}
	address.Sent(now, 2, 1)
	if address.AnnouncementDue(now) {
		t.Error("due although all forms went out")
	}
}
