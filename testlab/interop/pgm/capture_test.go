package pgm

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vipd/pgm/packet"
	"vipd/testlab/offload"
	"vipd/testlab/rig"
)

// capture is a recording of what passes a host's card.
type capture struct {
	file string
	proc *rig.Proc
	wait *waits
}

// capture records on host n's card from now on; host 1 sees all that its
// sender sends, and what reaches it.
func (l *lan) capture(n int) *capture {
	l.t.Helper()
	if err := l.hosts[n].Do(func() error { return offload.Set("eth0", offload.UDPSegmentation, false) }); err != nil {
		l.t.Fatal(err) // or super-packets would hide all but the first packet in them
	}
	c := &capture{file: filepath.Join(l.t.TempDir(), "wire.pcap")}
	line := make(chan struct{})
	said := &ready{line: line}
	var err error
	c.proc, err = l.hosts[n].Start(rig.Process{Path: "dumpcap", Args: []string{"-q", "-B", "64", "-i", "eth0", "-w", c.file}, Stderr: said})
	if err != nil {
		l.t.Fatal(err)
	}
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		said.mu.Lock()
		on := strings.Contains(said.b.String(), "File:")
		said.mu.Unlock()
		if on {
			c.wait = watchWaits(l.t)
			return c
		}
		if time.Now().After(limit) {
			l.t.Fatalf("dumpcap does not start: %s", said.b.String())
		}
	}
}

// seen is one packet as the dissector tells it.
type seen struct {
	at       float64 // seconds since 1970
	kind     packet.Type
	session  string // GSI and both ports, in order of their numbers
	seq      uint32
	trail    uint32
	list     []uint32
	upstream bool
}

// check lets the dissector decode the recording and holds it against the
// protocol: nothing malformed, no bad checksum, an SPM before the first data,
// an NCF within 50 ms of each NAK (not counting what the machine did not let the
// source run), an RDATA for each number asked for, and trails that never go back.
func (c *capture) check(t *testing.T, w way) {
	t.Helper()
	c.wait.stop()
	c.proc.Signal(syscall.SIGINT)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c.proc.Wait(ctx) //nolint:errcheck // interrupted, as asked
	// The dissector names the numbers of data like those of SPMs.
	fields := []string{"frame.time_epoch", "pgm.hdr.type", "pgm.hdr.gsi", "pgm.hdr.sport", "pgm.hdr.dport",
		"pgm.spm.sqn", "pgm.spm.trail", "pgm.nak.sqn", "pgm.opts.nak.list", "frame.number", "_ws.malformed", "pgm.bad_checksum"}
	args := []string{"-n", "-Y", "pgm || _ws.malformed || pgm.bad_checksum", "-T", "fields", "-E", "separator=|", "-E", "occurrence=f"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	var packets []seen
	for _, line := range c.tshark(t, args...) {
		f := strings.Split(line, "|")
		if f[10] != "" || f[11] != "" {
			t.Fatalf("the dissector calls frame %s malformed or its checksum wrong", f[9])
		}
		packets = append(packets, parseSeen(t, f))
	}
	if len(packets) == 0 {
		t.Error("nothing was recorded")
	}
	checkOrder(t, packets)
	slowest, own, err := checkAnswers(packets, c.wait)
	if err != nil {
		t.Error(err)
	}
	t.Logf("slowest NCF %.1f ms, of which the source's own %.1f", slowest*1e3, own*1e3)
}

func (c *capture) tshark(t *testing.T, args ...string) []string {
	args = append([]string{"-r", c.file, "-d", "udp.port==3056,pgm", "-o", "pgm.check_checksum:TRUE"}, args...)
	var words bytes.Buffer
	cmd := exec.Command("tshark", args...)
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, &words)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

func parseSeen(t *testing.T, f []string) seen {
	num := func(s string) uint32 {
		if s == "" {
			return 0
		}
		n, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			t.Fatalf("the dissector said %q in %v", s, f)
		}
		return uint32(n)
	}
	at, err := strconv.ParseFloat(f[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	p := seen{at: at, kind: packet.Type(num(f[1])), seq: num(f[5]) + num(f[7]), trail: num(f[6])}
	a, b := f[3], f[4]
	if p.upstream = p.kind.Upstream(); p.upstream {
		a, b = b, a
	}
	p.session = fmt.Sprint(f[2], a, b)
	// The dissector makes a text of the list and shows as many of its
	// characters as the list has octets: about two thirds, the last torn.
	text, err := hex.DecodeString(strings.ReplaceAll(f[8], ":", ""))
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.Fields(string(text))
	for _, s := range whole[:max(len(whole)-1, 0)] {
		p.list = append(p.list, num(s))
	}
	return p
}

// checkOrder looks at what the sources sent.
func checkOrder(t *testing.T, packets []seen) {
	t.Helper()
	spm, trail := map[string]bool{}, map[string]uint32{}
	for i, p := range packets {
		switch p.kind {
		case packet.SPM:
			spm[p.session] = true
		case packet.ODATA, packet.RDATA:
			if !spm[p.session] {
				t.Fatalf("packet %d: data before the first SPM", i)
			}
		default:
			continue
		}
		if packet.Seq(p.trail).Before(packet.Seq(trail[p.session])) {
			t.Fatalf("packet %d: the trail went back from %d to %d", i, trail[p.session], p.trail)
		}
		trail[p.session] = p.trail
	}
}

// checkAnswers looks for the NCF, in time, and the RDATA of every number asked
// for. It returns the slowest NCF, and the slowest not counting what the machine
// did not let the source run, both in seconds.
func checkAnswers(packets []seen, w *waits) (slowest, own float64, err error) {
	const due = 0.050
	last := packets[len(packets)-1].at
	for i, p := range packets {
		if p.kind != packet.NAK || last-p.at < 0.1 {
			continue
		}
		for _, seq := range append([]uint32{p.seq}, p.list...) {
			confirmed, repaired := answers(packets[max(0, i-200):], p, seq)
			if confirmed < 0 || !repaired {
				return slowest, own, fmt.Errorf("NAK of %d, %.3f s before the end: NCF %v, RDATA %v", seq, last-p.at, confirmed >= 0, repaired)
			}
			kept := 0.0
			if confirmed > due {
				kept = w.between(p.at, p.at+confirmed)
			}
			slowest, own = max(slowest, confirmed), max(own, confirmed-kept)
			if confirmed-kept > due {
				return slowest, own, fmt.Errorf("NAK of %d: NCF after %.1f ms, for %.1f of which the machine did not run the source", seq, confirmed*1e3, kept*1e3)
			}
		}
	}
	return slowest, own, nil
}

// answers finds what a source answers to the NAK p of a number: after how many
// seconds the NCF came, -1 if none did, and whether the RDATA did.
func answers(packets []seen, p seen, seq uint32) (confirmed float64, repaired bool) {
	confirmed = -1
	for _, q := range packets {
		switch {
		case q.session != p.session, q.at < p.at-0.001: // a repair sent just now serves
		case q.kind == packet.RDATA:
			repaired = repaired || q.seq == seq
		case q.kind == packet.NCF && q.at >= p.at && confirmed < 0 && (q.seq == seq || slices.Contains(q.list, seq)):
			confirmed = q.at - p.at
		}
		if confirmed >= 0 && repaired {
			break
		}
	}
	return confirmed, repaired
}
