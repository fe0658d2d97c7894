package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// program is vipd as it is released: without symbols and paths.
type program struct {
	path string
	size int64 // bytes
}

// builtVariable tells the second life of this process, in private namespaces, what the
// first one built.
const builtVariable = "VIPD_BENCH_PROGRAM"

// build builds vipd into a temporary directory, once for both lives.
func build() (*program, error) {
	path := os.Getenv(builtVariable)
	if path == "" {
		dir, err := os.MkdirTemp("", "vipd-bench-*")
		if err != nil {
			return nil, err
		}
		path = filepath.Join(dir, "vipd")
		cmd := exec.Command("go", "build", "-trimpath", "-tags", "nethttpomithttp2", "-ldflags", "-s -w", "-o", path, "vipd/vipd")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			os.RemoveAll(dir)
			return nil, fmt.Errorf("build vipd: %w\n%s", err, out)
		}
		os.Setenv(builtVariable, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return &program{path: path, size: info.Size()}, nil
}

// remove removes what build built.
func (p *program) remove() { os.RemoveAll(filepath.Dir(p.path)) }
