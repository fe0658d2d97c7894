package main

import (
	"encoding/json"
	"strings"
	"testing"

	"vipd/pgm"
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// TestPGMMisuse: wrong use of the pgm verbs is explained before anything is
// opened.
func TestPGMMisuse(t *testing.T) {
	for args, want := range map[string]string{
		"pgm":                          "say what to do",
		"pgm sned":                     "did you mean \"send\"?",
		"pgm send":                     "--local \"\": not an address",
		"pgm send extra":               "takes no argument",
		"pgm receive --local 10.0.0.x": "not an address",
		"pgm receive --local 10.0.0.1 --group 10.0.0.2:1":     "not a multicast address and a port",
		"pgm send --local 10.0.0.1 --receiver here":           "--receiver \"here\": not an address and a port",
		"pgm receive --local 10.0.0.1 --flow 10.0.0.1":        "--flow \"10.0.0.1\": not an address and a port",
		"pgm send --local 10.0.0.1 --window -5":               "--window -5: want 1 to 1048576",
		"pgm receive --local 10.0.0.1 --window 0":             "--window 0: want 1 to",
		"pgm send --local 10.0.0.1 --ttl 300":                 "--ttl 300: want 1 to 255",
		"pgm send --local 10.0.0.1 --rate -1":                 "--rate -1: want at least 0",
		"pgm send --local 10.0.0.1 --linger -1s":              "--linger -1s: want at least 0",
		"pgm send --local 10.0.0.1 --leave-behind -1s":        "--leave-behind -1s: want at least 0",
		"pgm send --local 10.0.0.1 --max-fragments -1":        "--max-fragments -1: want 0 to",
		"pgm receive --local 10.0.0.1 --count -1":             "--count -1: want at least 0",
		"pgm receive --local 10.0.0.1 --back-off -1s":         "--back-off -1s: want at least 0",
		"pgm bench --local 10.0.0.1 --count 0":                "--count 0: want at least 1",
		"pgm bench --local 10.0.0.1 --size 5":                 "--size 5: want 16 to 65535",
		"pgm bench --local 10.0.0.1 --size 70000":             "--size 70000: want 16 to 65535",
		"pgm bench --local 10.0.0.1 --per-second -1":          "--per-second -1: want at least 0",
		"pgm bench --local 10.0.0.1 --receive --rate 5":       "--rate is the sender's",
		"pgm bench --local 10.0.0.1 --flow 10.0.0.1:1":        "--flow is a receiver's: add --receive",
		"pgm bench --local 10.0.0.1 --receive --group banana": "not a multicast address and a port",
	} {
		code, out, errOut := vipd(t.Context(), strings.Fields(args)...)
		if code != 2 || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("vipd %s: %d, stdout %q, stderr %q, want %q", args, code, out, errOut, want)
		}
	}
}

// TestPGMEvents: what a receiver is told becomes one line of JSON each.
func TestPGMEvents(t *testing.T) {
	tsi := packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 7}
	for _, c := range []struct {
		m    pgm.Message
		err  error
		want string
	}{
		{pgm.Message{Data: []byte("hi"), Source: tsi}, nil, `{"source":"1.2.3.4.5.6.7","from":"invalid IP","data":"hi","event":"message"}`},
		{pgm.Message{}, &pgm.LossError{Source: tsi, Loss: window.Loss{First: 5, Last: 8, Passed: 4}},
			`{"source":"1.2.3.4.5.6.7","first_lost":5,"lost":4,"event":"lost","text":"pgm: 4 packets of 1.2.3.4.5.6.7 lost, numbers 5 to 8"}`},
		{pgm.Message{}, &pgm.EndError{Source: tsi}, `{"source":"1.2.3.4.5.6.7","event":"end","text":"pgm: 1.2.3.4.5.6.7 has finished"}`},
		{pgm.Message{}, &pgm.BehindError{Source: tsi, At: 9},
			`{"source":"1.2.3.4.5.6.7","event":"behind","text":"pgm: 1.2.3.4.5.6.7 has left this receiver behind at number 9"}`},
	} {
		e, ok := pgmEventOf(c.m, c.err)
		got, err := json.Marshal(e)
		if !ok || err != nil || string(got) != c.want {
			t.Errorf("%v: %s (%v)\nwant %s", c.err, got, err, c.want)
		}
	}
	if _, ok := pgmEventOf(pgm.Message{}, &json.SyntaxError{}); ok {
		t.Error("any other error is the end")
	}
}
