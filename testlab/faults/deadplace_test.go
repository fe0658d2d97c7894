package faults

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/attack"
	"vipd/testlab/rig"
)

// gone is how long an address may wait for one that only answers in a dead host's place:
// the waits of a taker and two seconds, and then what the test is late.
const gone = 3*deadAfter + 2*time.Second + time.Second

// Something on the LAN answers for the address with the dead holder's hardware address,
// as a switch does that answers for hosts: the other node takes all the same, and says
// who answers.
//
// A machine may be too busy to have it answer in time. Then the address was taken as if
// nothing had answered, and it is tried again.
func TestAnswersInADeadHostsPlace(t *testing.T) {
	t.Parallel()
	inTime := false
	for try := 0; try < 5 && !inTime; try++ {
		t.Run(fmt.Sprint(try), func(t *testing.T) { inTime = answerInADeadHostsPlace(t) })
	}
	if !inTime {
		t.Error("no take was ever kept waiting by the answers")
	}
}

// answerInADeadHostsPlace reports whether the answers came in time to keep the take waiting.
func answerInADeadHostsPlace(t *testing.T) (inTime bool) {
	s := newSite(t, stays)
	e := s.stranger()
	s.startInOrder()
	mac := s.a.lan.MAC()
	s.a.host.Destroy()
	died := time.Now()
	var responder *attack.Responder
	if err := e.host.Do(func() (err error) { responder, err = e.lan.Respond(s.shared, mac); return err }); err != nil {
		t.Fatal(err)
	}
	defer responder.Stop()
	s.eventually("the other took", func() bool { return s.b.token(front).Holder == "hist-b" })
	if took := time.Since(died); took > gone {
		t.Errorf("taken after %v", took)
	}
	inTime = s.b.said("taken although") > 0
	if inTime {
		s.eventually("an alarm names who answers", func() bool { return strings.Contains(s.b.alarms(), mac.String()) })
	}
	held := time.Now()
	time.Sleep(4 * deadAfter)
	if s.b.said("dropping") != 0 || s.b.token(front).Holder != "hist-b" {
		t.Errorf("%v later it was driven off", time.Since(held))
	}
	t.Logf("%d answers were given, in time: %v", responder.Answers(), inTime)
	return inTime
}

// Probes for the address from the dead holder's hardware address, however many, are no
// holder either.
func TestProbesInADeadHostsPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	e := s.stranger()
	s.startInOrder()
	probe, err := attack.Claim{Kind: attack.Probe, Address: s.shared, MAC: s.a.lan.MAC()}.Frame()
	if err != nil {
		t.Fatal(err)
	}
	s.a.host.Destroy()
	died := time.Now()
	none := attack.Recording{}.Around(0)
	defer e.send(100, [2]iter.Seq[[]byte]{attack.Repeated(probe, 0), none})()
	s.eventually("the other took", func() bool { return s.b.token(front).Holder == "hist-b" })
	if took := time.Since(died); took > gone {
		t.Errorf("taken after %v", took)
	}
}

// A stranger that claims the address a hundred times a second, with the dead holder's
// hardware address, before the take and after it: the other node takes, status says which
// hardware address it is, and the address is defended for as long as that goes on.
func TestClaimsInADeadHostsPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	e := s.stranger()
	s.startInOrder()
	mac := s.a.lan.MAC()
	claim, err := attack.Claim{Kind: attack.Gratuitous, Address: s.shared, MAC: mac}.Frame()
	if err != nil {
		t.Fatal(err)
	}
	s.a.host.Destroy()
	died := time.Now()
	none := attack.Recording{}.Around(0)
	defer e.send(100, [2]iter.Seq[[]byte]{attack.Repeated(claim, 0), none})()
	s.eventually("the other took", func() bool { return s.b.token(front).Holder == "hist-b" })
	if took := time.Since(died); took > gone {
		t.Errorf("taken after %v", took)
	}
	s.eventually("an alarm names the claimant", func() bool {
		return strings.Contains(s.b.alarms(), "192.0.2.10 is claimed by "+mac.String()+", a hardware address of hist-a, which is not heard")
	})
	// The announcements of the take and of its proof are over by then.
	defended := time.Now().Add(6 * time.Second)
	s.eventually("it is defended", func() bool {
		return slices.ContainsFunc(s.witness.Announcements(defended, time.Now()), func(a rig.Announcement) bool { return a.Owner == "hist-b" })
	})
	if s.b.said("dropping") != 0 || s.b.token(front).Holder != "hist-b" {
		t.Error("it was driven off")
	}
	if n := s.b.said("is claimed by"); n > 2 {
		t.Errorf("said %d times", n)
	}
}
