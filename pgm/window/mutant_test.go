package window

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutants are breaks of one line each that the simulation and the tables must notice.
var mutants = []struct{ name, file, old, new string }{
	{"a repaired number is asked for again at once for ever", "send.go", "e.asked, e.repaired = false, now", "e.repaired = now"},
	{"pushing into a full window keeps the trail", "send.go", "\tif w.next.From(w.trail) == len(w.slots) {\n", "\tif false {\n"},
	{"time lets go of what a known receiver needs", "send.go", "&& w.trail.Before(hold)", "|| hold == 0"},
	{"a NAK for any number is confirmed, never repaired", "send.go", "w.askedCount++", ""},
	{"a repair keeps its old trail", "../packet/checksum.go", "\t\tpatch32(b, trailOffset, uint32(trail))\n", ""},
	{"a repair keeps its old OPT_JOIN", "../packet/checksum.go", "\t\tpatch32(b, at, uint32(trail))\n", ""},
	{"data carries the trail it was built with", "send.go", "\tpacket.SetTrail(b, w.trail)\n", ""},
	{"serial numbers compare as integers", "../packet/seq.go", "return int32(s-t) < 0", "return s < t"},
	{"heartbeats do not come back after data", "spm.go", "t.beat = now.Add(t.interval)\n}\n\n// Due", "}\n\n// Due"},
	{"flow control forgets a receiver's room", "flow.go", "(end.After(r.Edge) || end.From(r.Acked()) > f.size)", "end.After(r.Edge)"},
	{"flow control never leaves anybody behind", "flow.go", "f.receivers[i].left = true", ""},
	{"who is left behind stays so", "flow.go", "r.left = false\n", "\n"},
	{"queues out of order", "slot.go", "deadline = max(deadline, w.slots[l.last].deadline)", ""},
	{"leaving a queue forgets the count", "slot.go", "w.waitingCount--", ""},
	{"a gap is not noticed", "receive.go", "w.toBackOff(now, i)", "w.slots[i].state = unknown"},
	{"an SPM shows no loss", "receive.go", "w.see(now, p.Lead)", ""},
	{"a fragment replaces one that is here", "receive.go", "if s.state == have {\n\t\treturn Duplicate", "if s.state == have {\n\t\tw.step()\n\t\treturn Duplicate"},
	{"the trail gives nothing up", "receive.go", "w.slots[i].state = passed\n\t\t}\n\t}\n\tw.see", "}\n\t}\n\tw.see"},
	{"the trail gives up one too many", "receive.go", "w.trail = trail\n\tfor s := from; s.Before(trail) &&", "w.trail = trail\n\tfor s := from; !s.After(trail) &&"},
	{"OPT_JOIN leads before the trail", "receive.go", "start = o.Join.Later(trail)", "start = o.Join.Add(-1)"},
	{"a FIN ends before the last number", "receive.go", "w.end, w.endLead, w.ending = &End{}, last, ending{}", "w.end, w.endLead, w.ending = &End{}, last.Add(-1), ending{}"},
	{"a reset waits for what is missing", "receive.go", "w.reset(p.Lead, p.Options.ResetCode)", "w.end, w.endLead = &End{Reset: true}, p.Lead"},
	{"an NCF stops the asking for good", "receive.go", "w.toWaitData(now, i)", "w.leave(i); w.slots[i].state = waitData"},
	{"a timeout of RDATA is not retried", "nak.go", "for q := queueNCF; q < queues; q++", "for q := queueNCF; q < queueData; q++"},
	{"a try too few", "nak.go", "if int(*tries) >= most {", "if int(*tries) >= min(most, 1) {"},
	{"a hole is reported piece by piece", "deliver.go", "case s.state.lost():\n\t\t\tw.intoHole(s.state)", "case s.state.lost():\n\t\t\tw.intoHole(s.state)\n\t\t\treturn w.takeHole()"},
	{"a hole miscounts a leap", "deliver.go", "w.hole.Passed += n", "w.hole.Passed += n - 1"},
	{"a hole is forgotten", "deliver.go", "case w.hole.Count() > 0:\n\t\t\treturn w.takeHole()", "case false:"},
	{"a broken message is handed on", "deliver.go", "return false, true\n\t\t}\n\t\toffset", "}\n\t\toffset"},
	{"fragments are joined without the last", "deliver.go", "for offset < f.Length {", "for offset+8 < f.Length {"},
	{"the scan forgets where it stood", "deliver.go", "offset = last.fragment.Offset + uint32(len(last.payload))", "offset = 0 * last.fragment.Offset"},
	{"the end comes before the last hole", "deliver.go", "if w.hole.Count() > 0 && (over ||", "if w.hole.Count() > 0 && (false ||"},
	{"an NCF in WAIT_DATA changes nothing", "receive.go", "if w.slots[i].state.waiting() {\n\t\tw.toWaitData", "if st := w.slots[i].state; st == backOff || st == waitNCF {\n\t\tw.toWaitData"},
	{"a trailing edge that leaps is believed at once", "receive.go", "return !again", "return false && again"},
	{"one packet ends a session", "ending.go", "p.Options.Has &^= taken", ""},
	{"an end that is contradicted is believed all the same", "ending.go", "if w.ending.told && goesOn {", "if false {"},
	{"another life is believed without an answer", "doubt.go", "s.doubt.spms >= 2 && s.doubt.asked > 0 &&", ""},
	{"the present life does not end a doubt", "doubt.go", "\ts.other = nil\n\treturn present", "\treturn present"},
	{"what a life still owed is forgotten", "doubt.go", "s.old = append(s.old, s.live)", ""},
	{"SPMs led astray are another life", "doubt.go", "return !d.sure && !d.backwards &&", "return false &&"},
	{"an end that is told again is another life", "doubt.go", "(s.live.end == nil || d.tellsEnd)", "s.live.end == nil"},
	{"one packet resets what has finished", "ending.go", "w.end != nil && (w.end.Reset || !e.Reset)", "w.end != nil"},
	{"ends after different numbers agree", "ending.go", "o.last == last &&", ""},
	{"what one packet tells beyond the end is waited for", "receive.go", "\tw.cut(last)\n", ""},
	{"what one NCF tells is asked for for ever", "receive.go", "\tw.retract(p.Lead) //", "\t//"},
	{"repairs are asked for in doubt", "session.go", "if s.other != nil {\n\t\treturn out\n\t}", ""},
	{"a goodbye changes nothing", "flow.go", "func (f *Flow) Remove(i int) { f.receivers[i].gone = true }", "func (f *Flow) Remove(i int) {}"},
	{"growing loses the order", "receive.go", "s.prev, s.next = moved(s.prev), moved(s.next)", ""},
}

var withMutants = flag.Bool("mutants", false, "break the windows on purpose, one line at a time")

// TestMutants breaks the windows one line at a time, as an overlay of the
// build, and wants the tests red each time.
func TestMutants(t *testing.T) {
	if !*withMutants {
		t.Skip("takes a minute; run with -mutants")
	}
	for _, m := range mutants {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(source), m.old) != 1 {
				t.Fatalf("%q stands %d times in %s, want once", m.old, strings.Count(string(source), m.old), m.file)
			}
			overlay := writeOverlay(t, m.file, strings.Replace(string(source), m.old, m.new, 1))
			exe := filepath.Join(filepath.Dir(overlay), "mutant.test")
			if out, err := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-overlay", overlay, "-o", exe, ".").CombinedOutput(); err != nil {
				t.Fatalf("the mutant does not compile: %v\n%s", err, out)
			}
			if out, err := exec.Command(exe, "-test.failfast", "-schedules", "1500").CombinedOutput(); err == nil {
				t.Errorf("survived:\n%s", out)
			}
		})
	}
}

// writeOverlay writes the build overlay that replaces one file.
func writeOverlay(t *testing.T, file, source string) string {
	dir := t.TempDir()
	abs, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(dir, "mutant.go")
	if err := os.WriteFile(changed, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{abs: changed}})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}
