package pgm

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"syscall"

	"vipd/pgm/packet"
	"vipd/testlab/offload"
	"vipd/testlab/rig"
)

// capture is a recording of what passes a host's card.
type capture struct {
	file  string
	proc  *rig.Proc
	stop  chan struct{}
	stall chan time.Duration // the longest the machine kept this process waiting
}

// watch notes for how long a process that wants to run does not.
func (c *capture) watch() {
	const nap = time.Millisecond
	longest := time.Duration(0)
	for {
		select {
		case <-c.stop:
			c.stall <- longest
			return
		default:
		}
		start := time.Now()
		time.Sleep(nap)
		longest = max(longest, time.Since(start)-nap)
	}
}

// capture records on host n's card from now on; host 1 sees all that its
// sender sends, and what reaches it.
func (l *lan) capture(n int) *capture {
	l.t.Helper()
	if err := l.hosts[n].Do(func() error { return offload.Set("eth0", offload.UDPSegmentation, false) }); err != nil {
		l.t.Fatal(err) // or super-packets would hide all but the first packet in them
	}
	c := &capture{file: filepath.Join(l.t.TempDir(), "wire.pcap"), stop: make(chan struct{}), stall: make(chan time.Duration, 1)}
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
			go c.watch()
			return c
		}
		if time.Now().After(limit) {
			l.t.Fatalf("dumpcap does not start: %s", said.b.String())
		}
	}
}

// seen is one packet as the dissector tells it.
type seen struct {
	at       float64 // seconds
	kind     packet.Type
	session  string // GSI and both ports, in order of their numbers
	seq      uint32
	trail    uint32
	list     []uint32
	upstream bool
}

// check lets the dissector decode the recording and holds it against the
// protocol: nothing malformed, no bad checksum, an SPM before the first data,
// an NCF within 50 ms of each NAK
// (and what the machine stalled), an RDATA for each number asked for, and
// trails that never go back.
func (c *capture) check(t *testing.T, w way) {
	t.Helper()
	close(c.stop)
	c.proc.Signal(syscall.SIGINT)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c.proc.Wait(ctx) //nolint:errcheck // interrupted, as asked
	if bad := c.tshark(t, "-Y", "_ws.malformed || pgm.bad_checksum", "-T", "fields", "-e", "frame.number"); len(bad) > 0 {
		t.Errorf("the dissector calls %d frames malformed or their checksum wrong: %v", len(bad), bad[:min(len(bad), 10)])
	}
	// The dissector names the numbers of data like those of SPMs.
	fields := []string{"frame.time_relative", "pgm.hdr.type", "pgm.hdr.gsi", "pgm.hdr.sport", "pgm.hdr.dport",
		"pgm.spm.sqn", "pgm.spm.trail", "pgm.nak.sqn", "pgm.opts.nak.list"}
	args := []string{"-Y", "pgm", "-T", "fields", "-E", "separator=|", "-E", "occurrence=f"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	var packets []seen
	for _, line := range c.tshark(t, args...) {
		packets = append(packets, parseSeen(t, strings.Split(line, "|")))
	}
	if len(packets) == 0 {
		t.Error("nothing was recorded")
	}
	checkOrder(t, packets)
	checkAnswers(t, packets, 0.050+(<-c.stall).Seconds())
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

// checkAnswers looks for the NCF, within a limit in seconds, and the RDATA of
// every number asked for.
func checkAnswers(t *testing.T, packets []seen, limit float64) {
	t.Helper()
	last := packets[len(packets)-1].at
	for i, p := range packets {
		if p.kind != packet.NAK {
			continue
		}
		for _, seq := range append([]uint32{p.seq}, p.list...) {
			confirmed, repaired := false, false
			for _, q := range packets[max(0, i-200):] {
				switch {
				case q.session != p.session, q.at < p.at-0.001: // a repair sent just now serves
				case q.kind == packet.NCF && q.at < p.at:
				case q.kind == packet.NCF && q.at-p.at < limit:
					for _, s := range append([]uint32{q.seq}, q.list...) {
						confirmed = confirmed || s == seq
					}
				case q.kind == packet.RDATA:
					repaired = repaired || q.seq == seq
				}
				if confirmed && repaired {
					break
				}
			}
			if last-p.at > 0.1 && !(confirmed && repaired) {
				t.Errorf("at %.4f s: NAK of %d: NCF within %.0f ms %v, RDATA %v", p.at, seq, limit*1e3, confirmed, repaired)
				return
			}
		}
	}
}
