package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vipd/lease"
	"vipd/sharedip"
	"vipd/token"
)

// Every way in which the kernel refuses an address ends with the other host serving, and
// the preferred one, which can't, does not take it from there again and again.
func TestFailedTakeEndsWhereItCanBeServed(t *testing.T) {
	for _, refused := range []error{unix.EPERM, unix.EADDRNOTAVAIL, errors.New("lease: no space")} {
		t.Run(refused.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairConfig)
				p.settle()
				p.a.kill()
				p.a.hands.Set(front, false)
				p.until(p.b, front)
				p.a.hands.Change(func() {
					p.a.hands.Refuse = map[string]error{"take": fmt.Errorf("add 192.0.2.10, interface eth0: %w", refused)}
				})
				began := time.Now()
				p.a.boot()
				p.a.d.tell(token.NetworkForwarding{})
				const watched = 10 * time.Minute
				down := time.Duration(0)
				for range watched / (10 * time.Millisecond) {
					time.Sleep(10 * time.Millisecond)
					if !p.b.hands.Holds(front) {
						down += 10 * time.Millisecond
					}
				}
				takes := len(p.a.hands.After(began, "take"))
				if takes == 0 || takes > 8 {
					t.Errorf("a tried %d times in %v, want from 1 to 8", takes, watched)
				}
				if most := time.Duration(takes) * time.Second; down > most {
					t.Errorf("nobody served for %v in %d attempts", down, takes)
				}
				for _, h := range []*host{p.a, p.b} {
					if text := alarms(h); !strings.Contains(text, "hist-a can't put up vip:front") {
						t.Errorf("%s: alarms: %s", h.name, text)
					}
				}
				if text := fmt.Sprint(p.a.d.Status().Tokens[0].Eligible); !strings.Contains(text, refused.Error()) {
					t.Errorf("status does not say why: %s", text)
				}
				p.a.hands.Change(func() { p.a.hands.Refuse = nil })
				for range 2 * distrustMost / time.Second {
					if p.a.hands.Holds(front) {
						break
					}
					time.Sleep(time.Second)
				}
				p.until(p.a, front)
				time.Sleep(time.Second)
				if text := alarms(p.b); text != "" {
					t.Errorf("it is well again, but: %s", text)
				}
			})
		})
	}
}

// The only host there is goes on trying, at least every half minute, and serves as soon as
// it can; then nothing is held against it.
func TestFailedTakeOfTheOnlyHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.b.hands.Change(func() { p.b.hands.Refuse = map[string]error{"take": unix.ENOBUFS} })
		p.a.kill()
		p.a.hands.Set(front, false)
		time.Sleep(20 * time.Minute)
		p.b.hands.Change(func() { p.b.hands.Refuse = nil })
		for range 31 {
			time.Sleep(time.Second)
		}
		if !p.b.hands.Holds(front) {
			t.Fatal("it does not try again")
		}
		p.a.hands.Change(func() { p.a.hands.Refuse = map[string]error{"take": unix.EPERM} })
		p.a.boot()
		p.a.d.tell(token.NetworkForwarding{})
		time.Sleep(5 * time.Minute)
		if !p.b.hands.Holds(front) {
			t.Error("it was taken from the host that can")
		}
		if e := p.b.d.Status().Tokens[0].Eligible; !e[1].Fit {
			t.Errorf("the host that serves is not fit: %+v", e)
		}
	})
}

// A right that is lost while holding makes the host unfit before its addresses time out,
// and one that is lost on a standby before it is asked; when it is back all is as before.
func TestRightsLostWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		for _, loses := range []*host{p.a, p.b} {
			other := p.b
			if loses == p.b {
				other = p.a
			}
			loses.deny(unix.EPERM)
			loses.hands.Change(func() { loses.hands.Refuse = map[string]error{"take": unix.EPERM, "renew": unix.EPERM} })
			time.Sleep(2 * againEvery)
			p.until(other, front)
			for _, h := range []*host{p.a, p.b} {
				if text := alarms(h); !strings.Contains(text, loses.name+" can't put up vip:front") {
					t.Errorf("%s lost its rights; %s: alarms: %s", loses.name, h.name, text)
				}
			}
			if text := alarms(loses); !strings.Contains(text, "this host can hold no address: CAP_NET_ADMIN") {
				t.Errorf("%s: alarms: %s", loses.name, text)
			}
			tried := time.Now()
			time.Sleep(10 * time.Minute)
			if n := len(loses.hands.After(tried, "take")); n != 0 {
				t.Errorf("%s has no right and tried %d times", loses.name, n)
			}
			loses.deny(nil)
			loses.hands.Change(func() { loses.hands.Refuse = nil })
			time.Sleep(2 * againEvery)
			p.until(p.a, front)
			if text := alarms(p.a) + alarms(p.b); text != "" {
				t.Errorf("the right is back, but: %s", text)
			}
			if n := slices.Index(loses.texts(), "the right to set addresses is back"); n < 0 {
				t.Error("the journal does not say that it is back")
			}
		}
	})
}

// An address that is gone and can't be put back is no address that is held.
func TestAddressThatCantBePutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		p.a.hands.Change(func() { p.a.hands.Refuse = map[string]error{"take": unix.EACCES} })
		p.a.d.onAddressEvent(sharedip.AddressLost{Token: front, Prefix: netip.MustParsePrefix("192.0.2.10/24"), Err: unix.EACCES})
		p.until(p.b, front)
		time.Sleep(time.Minute)
		if !p.b.hands.Holds(front) {
			t.Error("it does not stay where it can be")
		}
	})
}

// A holder that the kernel silences, because its lease can't be written, is no holder.
func TestLeaseThatCantBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		p.a.d.leaseRefused(token.ID(front), false, unix.ENOBUFS) // the lease goes on
		p.a.d.leaseRefused(token.ID("vip:other"), true, unix.ENOBUFS)
		time.Sleep(time.Second)
		if !p.a.hands.Holds(front) {
			t.Fatal("it let go while its lease lasts")
		}
		p.a.d.leaseRefused(token.ID(front), true, unix.ENOBUFS)
		p.until(p.b, front)
		p.a.hands.Change(func() { p.a.hands.Refuse = map[string]error{"take": unix.ENOBUFS} })
		time.Sleep(time.Minute)
		if !p.b.hands.Holds(front) {
			t.Error("it does not stay where its lease can be written")
		}
	})
}

// Where nothing would silence an address when the daemon dies, a node whose leases are in
// force is the better one; alone the node keeps it. A short gap, and what is a group's, move
// nothing.
func TestLeaseThatIsNotInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		p.a.d.tell(leaseState{lease.OfGroup + "/x", unix.EPERM})
		p.a.d.tell(leaseState{"filter out of eth0", unix.EPERM})
		time.Sleep(openFor / 2)
		p.a.d.tell(leaseState{"filter out of eth0", nil})
		time.Sleep(time.Minute)
		if !p.a.hands.Holds(front) {
			t.Fatal("a short gap moved it")
		}
		p.a.d.tell(leaseState{"filter out of eth0", unix.EPERM})
		time.Sleep(2 * openFor)
		p.until(p.b, front)
		if e := p.a.d.Status().Tokens[0].Eligible; !strings.Contains(fmt.Sprint(e), "filter out of eth0 is gone and can't be put back") {
			t.Errorf("status does not say why: %v", e)
		}
		p.b.kill()
		p.b.hands.Set(front, false)
		p.until(p.a, front)
		time.Sleep(time.Minute)
		if !p.a.hands.Holds(front) {
			t.Error("alone it let go")
		}
		p.b.boot()
		p.b.d.tell(token.NetworkForwarding{})
		p.until(p.b, front)
		p.a.d.tell(leaseState{"filter out of eth0", nil})
		p.until(p.a, front)
	})
}

// A disk that refuses keeps a node from taking what needs a record, and takes nothing that
// is held.
func TestDiskThatRefusesAndTokensWithARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig+"disable_inheritance = true\n")
		p.settle()
		time.Sleep(time.Second)
		for _, h := range []*host{p.a, p.b} {
			h.d.tell(diskState{true})
		}
		time.Sleep(time.Minute)
		if !p.a.hands.Holds(front) {
			t.Error("what was held was dropped")
		}
		for _, e := range p.b.d.Status().Tokens[0].Eligible {
			if want := e.Node == "hist-a"; e.Fit != want {
				t.Errorf("%s is fit: %v, %q", e.Node, e.Fit, e.Reasons)
			}
		}
		p.b.d.tell(diskState{false})
		time.Sleep(time.Second)
		if e := p.b.d.Status().Tokens[0].Eligible; !e[1].Fit {
			t.Errorf("the disk is well, but %+v", e[1])
		}
	})
}
