package machines

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/rig"
)

// stubborn has systemd start the writer again however it ends, if it may.
const stubborn = "[Service]\nRestart=always\nRestartSec=100ms\n"

// Silence moves the historian where the configuration says so: when its machine loses
// power, and when it freezes. When that goes on, what it still wants to write is refused,
// and the historian comes home.
func TestHistorianInherited(t *testing.T) {
	t.Parallel()
	rig.Need(t, rig.BPF)
	p := startPlant(t, inherited...)
	first := p.writes(A)
	p.a.Kill()
	if second := p.writes(B); second <= first {
		t.Errorf("hist-b writes under epoch %d after %d", second, first)
	}
	p.runs(p.values, B)
	p.audit()
	p.a.Boot()
	p.writes(A)
	p.a.Freeze()
	p.writes(B)
	p.a.Thaw()
	p.writes(A)
	p.runs(p.writers, A)
	p.OneAnswered(p.Began)
	p.auditHistory()
}

// Where silence moves nothing, the historian waits for its machine: to go on, or to have
// power again.
func TestHistorianWaits(t *testing.T) {
	t.Parallel()
	rig.Need(t, rig.BPF)
	p := startPlant(t)
	p.a.Freeze()
	p.Answers(B) // the address does not wait
	p.stays()
	p.a.Thaw()
	p.writes(A)
	p.a.Kill()
	p.Answers(B)
	p.stays()
	p.a.Boot()
	p.writes(A)
	p.OneAnswered(p.Began)
	p.auditHistory()
}

// stays waits for a while in which hist-b could have taken the historian, and fails if
// anybody writes at its end.
func (p *plant) stays() {
	p.t.Helper()
	const while = 3 * time.Second // three times the dead time
	time.Sleep(while)
	before := p.written()
	time.Sleep(while / 10)
	if after := p.written(); after != before || p.b.Holds(historian) || slices.Contains(p.writers.Now(), B) {
		p.t.Errorf("%d rows were written, %v run the writer", after-before, p.writers.Now())
	}
}

// A daemon that is killed and kept dead, or hangs, keeps nothing alive: the writer's
// traffic ends with the lease, the keeper kills it a second later, systemd does not
// start it again, and then another machine writes.
func TestContained(t *testing.T) {
	t.Parallel()
	rig.Need(t, rig.BPF)
	p := startPlantWith(t, map[string]string{
		"hist-a:" + unitFolder + "/" + daemonUnit + ".d/dead.conf": "[Service]\nRestart=no\n",
		"etc/systemd/system/" + Writer + ".d/override.conf":        stubborn,
	}, inherited...)
	p.a.Systemctl("stop", "vipd-historian.slice") // made anew, it is another control group
	p.Eventually("it was started again", func() bool { return p.a.group("historian").Restarts == 1 })
	p.writes(A)
	for _, c := range []struct{ signal, again string }{
		{"SIGKILL", "systemctl start " + daemonUnit},
		{"SIGSTOP", "systemctl kill --signal=SIGCONT " + daemonUnit},
	} {
		began := time.Now()
		p.a.Systemctl("kill", "--kill-whom=main", "--signal="+c.signal, daemonUnit)
		p.Eventually("the writer is dead", func() bool { return !slices.Contains(p.writers.Now(), A) })
		silent := p.silence(A, began)
		if silent < lag {
			t.Errorf("%s: the last row came %v before the end, want %v or more", c.signal, silent, lag)
		}
		if result := p.a.Property(Writer, "Result"); result != "signal" {
			t.Errorf("%s: the writer ended with %s", c.signal, result)
		}
		p.writes(B)
		if p.a.runs(Writer) {
			t.Errorf("%s: systemd has started the writer again", c.signal)
		}
		t.Logf("%s: silent for %v before its end", c.signal, silent)
		p.a.Run(strings.Fields(c.again)...)
		p.writes(A)
	}
	p.audit()
}

// lag is well less than the second that the keeper grants a group after its lease.
const lag = 500 * time.Millisecond

// silence is how long before the end of the node's writer since then its last row was
// accepted.
func (p *plant) silence(node string, since time.Time) time.Duration {
	p.t.Helper()
	var end time.Time
	for _, s := range p.writers.Spans(since, time.Now()) {
		if slices.Contains(s.Owners, node) {
			end = s.To
		}
	}
	rows := p.query("SELECT ceil(extract(epoch FROM max(at)) * 1000) FROM history WHERE node = '" + node + "'")
	return end.Sub(time.UnixMilli(int64(p.number(rows[0][0]))))
}
