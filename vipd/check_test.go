package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pairFile is a good configuration; KEY stands for its key file.
const pairFile = `cluster = "plant1"
key_file = "KEY"

[node.hist-a]
addresses = ["192.0.2.11"]
priority = 200

[node.hist-b]
addresses = ["192.0.2.12"]

[vip.front]
addresses = ["192.0.2.10/24"]
`

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if code, _, errOut := vipd(t.Context(), "key", "generate", "--out", key); code != 0 {
		t.Fatal(errOut)
	}
	open := filepath.Join(dir, "open")
	text, _ := os.ReadFile(key)
	if err := os.WriteFile(open, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	good := strings.ReplaceAll(pairFile, "KEY", key)
	tests := []struct {
		name, text string
		code       int
		want       []string // FILE stands for the file
	}{
		{"good", good, 0, []string{"FILE: valid\n"}},
		{"warning", strings.ReplaceAll(good, "priority = 200\n", ""), 4, []string{"equal priorities", " (warning)\n", "FILE: valid, 1 warning\n"}},
		{"two errors", strings.ReplaceAll(good, "priority", "prority") + "colour = 3\n", 3, []string{
			"FILE:6:1: node.hist-a.prority: unknown key; did you mean \"priority\"?\n", "FILE:13:1: vip.front.colour: unknown key", "FILE: invalid, 2 errors\n"}},
		{"key file open to others", strings.ReplaceAll(good, key, open), 3, []string{"FILE:2:12: key_file: ", open, "FILE: invalid, 1 error\n"}},
		{"no key file", strings.ReplaceAll(good, key, key+"2"), 3, []string{"FILE:2:12: key_file: ", key + "2: no such file or directory; copy it from another node", "FILE: invalid, 1 error\n"}},
	}
	for _, tt := range tests {
		file := filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "-")+".toml")
		if err := os.WriteFile(file, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"check", "--config", file}, {"-t", "--config", file}} {
			code, out, errOut := vipd(t.Context(), args...)
			if code != tt.code || errOut != "" {
				t.Errorf("%s: code %d, want %d; %q %q", tt.name, code, tt.code, out, errOut)
			}
			for _, want := range tt.want {
				if want = strings.ReplaceAll(want, "FILE", file); !strings.Contains(out, want) {
					t.Errorf("%s: no %q in %q", tt.name, want, out)
				}
			}
		}
		_, out, _ := vipd(t.Context(), "check", "--json", "--config", file)
		var v verdict
		if err := json.Unmarshal([]byte(out), &v); err != nil || v.Valid != (tt.code != 3) || (len(v.Warnings) > 0) != (tt.code == 4) || v.File != file || v.Valid != (len(v.Errors) == 0) || v.Warnings == nil {
			t.Errorf("%s: %v in %s", tt.name, err, out)
		}
	}
	if code, out, _ := vipd(t.Context(), "-t", "--config", dir+"/none"); code != 3 || !strings.Contains(out, "none: no such file") {
		t.Errorf("no file: %d %q", code, out)
	}
}
