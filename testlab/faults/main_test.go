package faults

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"vipd/testlab/rig"
)

// atATime is how many laboratories may stand at a time: most of a case is waiting.
const atATime = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set(atATime)
	}
	os.Exit(rig.Main(whole{m}))
}

// whole runs the tests and takes away the program that they built.
type whole struct{ *testing.M }

func (w whole) Run() int {
	code := w.M.Run()
	if program.dir != "" {
		os.RemoveAll(program.dir)
	}
	return code
}

// program is the real one, built once when the first test needs it.
var program struct {
	once sync.Once
	dir  string
	path string
	err  error
}

func vipd(t *testing.T) string {
	t.Helper()
	p := &program
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "vipd-faults"); p.err != nil {
			return
		}
		p.path = filepath.Join(p.dir, "vipd")
		if out, err := exec.Command("go", "build", "-o", p.path, "vipd/vipd").CombinedOutput(); err != nil {
			p.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if p.err != nil {
		t.Fatalf("build vipd: %v", p.err)
	}
	return p.path
}
