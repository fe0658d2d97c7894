package unit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vipd/host/child"
)

// A program runs without capabilities and can gain none, and writes to its output by
// name too, as the user that it is given.
func TestProgramHasNoRights(t *testing.T) {
	b := setUp(t)
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ngrep -E '^(Cap|NoNew|Uid)' /proc/self/status\necho by name >> /dev/stderr\necho end\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{filepath.Dir(script), filepath.Dir(filepath.Dir(script))} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, rights := range []child.Rights{{}, {User: "nobody"}} {
		if rights.Check() != nil {
			continue // this process may not become another user
		}
		o := b.options()
		o.Rights = rights
		u, err := New("exec:"+script, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { u.Close() })
		b.start(u)
		b.death()
		said := b.read(string(u.(*process).out))
		for _, want := range []string{"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000", "CapInh:\t0000000000000000", "NoNewPrivs:\t1", "by name\nend"} {
			if !strings.Contains(said, want) {
				t.Errorf("%+v: no %q in\n%s", rights, want, said)
			}
		}
		if root := strings.Contains(said, "Uid:\t0\t"); rights.User != "" && root {
			t.Errorf("it runs as root:\n%s", said)
		}
		b.stop(u)
		if err := os.Remove(string(u.(*process).out)); err != nil {
			t.Fatal(err)
		}
	}
}

// What a start would refuse, or what others could change, is known beforehand, and
// nothing is made for it.
func TestCheckProcess(t *testing.T) {
	folder := t.TempDir()
	script, open := filepath.Join(folder, "script"), filepath.Join(folder, "open")
	for _, err := range []error{os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755), os.Mkdir(open, 0o755), os.Chmod(open, 0o777), os.WriteFile(open+"/script", []byte("#!/bin/sh\n"), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"exec:" + open + "/script": "everybody may put another program there",
		"exec:" + folder:           "not a file",
		"exec:/no/such":            "no such file",
		`exec:"/bin/true`:          "without its end",
		"some.service":             "",
	} {
		err := CheckProcess(text, child.Rights{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := cgroupRoot(); err == nil {
		if err := CheckProcess("exec:"+script, child.Rights{}); err != nil {
			t.Error(err)
		}
	}
}
