package machines

import (
	"testing"
)

// Of two writers only the one of the newest epoch writes: the older one is refused,
// ends, and stays refused when it comes back; so is another node under the same epoch.
// The database counts what it accepted and what it refused.
func TestWriters(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{Names: []string{A, B, Database}, Config: NoDaemon})
	l.OpenHistory()
	a, b := l.Machine(A), l.Machine(B)
	a.write("257")
	l.Eventually("hist-a has written", func() bool { return l.rows(A, 257) > 3 })
	b.write("514")
	l.Eventually("hist-a was refused and ended", func() bool { return a.Property(Writer, "ExecMainStatus") == "75" })
	before := l.rows(B, 514)
	l.Eventually("hist-b goes on", func() bool { return l.rows(B, 514) > before+3 })
	for _, epoch := range []string{"257", "514"} {
		a.write(epoch)
		l.Eventually("hist-a was refused again", func() bool { return a.Property(Writer, "ActiveState") == "failed" })
	}
	b.Systemctl("stop", Writer)
	if result := b.Property(Writer, "Result"); result != "success" {
		t.Errorf("a stopped writer ended with %s", result)
	}
	list := l.Writers()
	want := []Tenure{{A, 257, list[0].Rows, 2}, {A, 514, 0, 1}, {B, 514, list[2].Rows, 0}}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("the database has %+v, want %+v", list[i], want[i])
		}
	}
	if over, gaps := l.Overlaps(), l.Gaps(); over != 0 || gaps != 0 {
		t.Errorf("%d rows overlap and %d are missing", over, gaps)
	}
	l.disturb()
}

// disturb writes past the fence, as no writer can, to see that the counts count.
func (l *Lab) disturb() {
	l.t.Helper()
	l.query(`INSERT INTO history (node, epoch, sequence) VALUES ('hist-a', 257, 1000000)`)
	if over, gaps := l.Overlaps(), l.Gaps(); over != 1 || gaps != 1 {
		l.t.Errorf("%d rows overlap and %d are missing, want one each", over, gaps)
	}
}

// A writer ends when its database sends it away, and when that loses power.
func TestWriterWithoutDatabase(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{Names: []string{A, Database}, Config: NoDaemon})
	l.OpenHistory()
	a := l.Machine(A)
	sendAway := func() {
		l.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer' AND pid <> pg_backend_pid()`)
	}
	for _, end := range []func(){sendAway, l.Machine(Database).Kill} {
		a.write("257")
		before := l.rows(A, 257)
		l.Eventually("it writes", func() bool { return l.rows(A, 257) > before+3 })
		end()
		l.Eventually("it ended", func() bool { return a.Property(Writer, "ExecMainStatus") == "1" })
	}
}

// write starts the writer under an epoch.
func (m *Machine) write(epoch string) {
	m.lab.t.Helper()
	m.Run("mkdir", "--parents", "/run/systemd/system/"+Writer+".d")
	m.Write("/run/systemd/system/"+Writer+".d/epoch.conf", "[Service]\nEnvironment=VIPD_EPOCH="+epoch+"\n")
	m.Systemctl("daemon-reload")
	m.Systemctl("start", Writer)
}

// rows counts what the database has accepted.
func (l *Lab) rows(node string, epoch uint64) int {
	l.t.Helper()
	for _, w := range l.Writers() {
		if w.Node == node && w.Epoch == epoch {
			return w.Rows
		}
	}
	return 0
}
