package faults

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// stays is the pair's configuration with failback off: nothing goes back by itself.
var stays = strings.Replace(pair4, "[vip.front]", "[vip.front]\nauto_failback = false", 1)

// A host that loses power: the other one takes.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	s.a.host.Destroy()
	s.answers(s.b)
	s.a.power()
	s.a.run()
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
	if s.b.said("taking from hist-a (peer-silent)") != 1 {
		t.Error("the journal does not name the cause")
	}
}

// A daemon that is killed and not restarted: its kernel stops answering for the address
// by itself, and the daemon that comes back later begins as one that holds nothing.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	s.startInOrder()
	killed, most := s.lapse(syscall.SIGKILL)
	gone := s.a.silenced()
	s.answers(s.b)
	s.notTwoFor(killed, most)
	s.a.run()
	s.staysMoved(gone)
}

// A frozen daemon: its kernel falls silent, and when it goes on it sends nothing from
// the address before it is granted anew.
func TestFrozenDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	s.startInOrder()
	frozen, most := s.lapse(syscall.SIGSTOP)
	gone := s.a.silenced()
	s.answers(s.b)
	s.notTwoFor(frozen, most)
	s.a.signal(syscall.SIGCONT)
	s.eventually("it noticed", func() bool { return s.a.said("did not run for longer than a dead time") == 1 })
	s.staysMoved(gone)
	m, code := s.a.verb("move", front, "--to", "hist-a")
	if code != 0 {
		t.Fatalf("a new grant: %s", m)
	}
	s.answers(s.a)
	s.oneAnswered(gone.Add(round))
}

// The only host that is left freezes: when it goes on, the clients' traffic shows that
// its network forwards, and it takes again. It does not wait as after a power cut of
// the site.
func TestFrozenAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	s.startInOrder()
	s.a.host.Destroy()
	s.answers(s.b)
	s.b.signal(syscall.SIGSTOP)
	s.b.silenced()
	time.Sleep(2 * time.Second) // it has been frozen for longer than a dead time
	s.b.signal(syscall.SIGCONT)
	s.answers(s.b)
	if s.b.said("dropping (self-stalled)") != 1 {
		t.Error("it did not notice")
	}
}

// A freeze that is longer than a dead time and shorter than the address's lifetime:
// the daemon finds the address still up, and removes it before it says anything.
func TestShortFreeze(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	s.startInOrder()
	frozen, most := s.lapse(syscall.SIGSTOP)
	thawed := time.Now()
	s.a.signal(syscall.SIGCONT)
	s.eventually("it let go", func() bool { return len(s.a.sharedAddresses()) == 0 })
	s.staysMoved(time.Now())
	s.notTwoFor(frozen, most)
	for _, a := range s.witness.Announcements(thawed, time.Now()) {
		if a.Owner == "hist-a" {
			t.Error("it announced what it had lost")
		}
	}
}

// A daemon that crashes and is back within the dead time goes on with what it
// held: no move, the same epoch, the same tenure.
func TestCrashAndRestartAdopts(t *testing.T) {
	t.Parallel()
	s := newSite(t, strings.Replace(pair4, "tolerance = 5", "tolerance = 40", 1))
	s.start()
	before, taken := s.a.held(), s.b.said("taking")
	from := time.Now()
	s.a.proc.Kill()
	s.a.run()
	s.eventually("it answers", func() bool { _, err := s.a.control().Status(t.Context()); return err == nil })
	s.audit(s.a)
	after := s.a.held()
	if after.Epoch != before.Epoch || *after.SinceMS < *before.SinceMS {
		t.Errorf("before %d since %.0f ms, after %d since %.0f ms", before.Epoch, *before.SinceMS, after.Epoch, *after.SinceMS)
	}
	if s.a.said("adopted from the daemon before") != 1 || s.b.said("taking") != taken {
		t.Error("the journals tell of a move")
	}
	s.silent(s.b, from)
	s.hardlyMissed(from)
}

// `vipd restart` in the middle of clients: nothing moves and next to nothing is lost.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	before := s.a.status()
	from := time.Now()
	out, code := s.a.verb("restart")
	if code != 0 || !strings.Contains(out, "restarted in") {
		t.Fatalf("exit %d: %s", code, out)
	}
	s.answers(s.a)
	after := s.a.status()
	if after.PID != before.PID || !after.Started.After(before.Started) || after.Tokens[0].Epoch != before.Tokens[0].Epoch {
		t.Errorf("process %d, epoch %d; before %d, %d", after.PID, after.Tokens[0].Epoch, before.PID, before.Tokens[0].Epoch)
	}
	s.audit(s.a)
	s.silent(s.b, from)
	s.hardlyMissed(from)
}

// A reader of the log that stops reading stops nothing else.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	s.b.signal(syscall.SIGTERM)
	s.b.proc.Wait(t.Context())
	s.b.runWithoutReader()
	s.audit(s.a)
	s.eventually("the journal has more than the log can take", func() bool {
		s.b.lan.Down() // each change of the cable is a line or two
		s.b.lan.Up()
		return len(s.b.events()) > 100
	})
	s.a.signal(syscall.SIGTERM)
	s.answers(s.b)
}
