package pgm

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/program"
	"vipd/testlab/rig"
)

// command is a running `vipd pgm`.
type command struct {
	proc     *rig.Proc
	out, err bytes.Buffer
}

func (l *lan) command(h *rig.Host, exe, in string, args ...string) *command {
	c := &command{}
	var err error
	c.proc, err = h.Start(rig.Process{Path: exe, Args: append([]string{"pgm"}, args...), Stdin: strings.NewReader(in), Stdout: &c.out, Stderr: &c.err})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.proc.Kill)
	return c
}

// result waits for the end and reads the lines of JSON.
func (c *command) result(t *testing.T) (lines []map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.proc.Wait(ctx); err != nil {
		t.Fatalf("%v: %s", err, &c.err)
	}
	for d := json.NewDecoder(&c.out); d.More(); {
		var line map[string]any
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// with puts the verb before the flags of a way.
func with(way []string, verb string, flags ...string) []string {
	return slices.Concat([]string{verb}, way, flags)
}

// TestCommands runs `vipd pgm` as a person would, on two hosts, over UDP and
// right in IP, with loss.
func TestCommands(t *testing.T) {
	l := newLAN(t)
	exe, err := program.Path(vipd)
	if err != nil {
		t.Fatal(err)
	}
	l.sw.Drop(rig.Fault{PerMille: 20})
	const flow = "10.0.0.2:7501"
	for _, way := range [][]string{{"--json"}, {"--json", "--raw"}} {
		name := strings.Join(way, " ")
		recv := l.command(l.b, exe, "", with(way, "bench", "--receive", "--local", "10.0.0.2", "--flow", flow, "--count", "3000")...)
		send := l.command(l.a, exe, "", with(way, "bench", "--local", "10.0.0.1", "--receiver", flow, "--count", "3000", "--linger", "10s")...)
		got, sent := recv.result(t), send.result(t)
		if len(got) != 1 || len(sent) != 1 || got[0]["messages"] != 3000.0 || got[0]["lost"] != 0.0 || sent[0]["messages"] != 3000.0 {
			t.Errorf("bench %s: sent %v, got %v", name, sent, got)
		}
		recv = l.command(l.b, exe, "", with(way, "receive", "--local", "10.0.0.2", "--flow", flow, "--count", "3")...)
		send = l.command(l.a, exe, "one\ntwo\nthree\n", with(way, "send", "--local", "10.0.0.1", "--receiver", flow, "--linger", "10s")...)
		got, sent = recv.result(t), send.result(t)
		for i, want := range []string{"one", "two", "three"} {
			if len(got) != 3 || got[i]["data"] != want || got[i]["event"] != "message" || got[i]["from"] != "10.0.0.1" {
				t.Fatalf("receive %s: %v", name, got)
			}
		}
		if len(sent) != 1 || sent[0]["messages"] != 3.0 {
			t.Errorf("send %s: %v", name, sent)
		}
	}
}
