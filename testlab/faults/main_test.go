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

// whole runs the tests and takes away the programs that they built.
type whole struct{ *testing.M }

func (w whole) Run() int {
	code := w.M.Run()
	for _, b := range []*build{&program, &wedgeable} {
		if b.dir != "" {
			os.RemoveAll(b.dir)
		}
	}
	return code
}

// program is the real one, built once when the first test needs it.
var program build

// build is a program on its way from the source.
type build struct {
	once sync.Once
	dir  string
	path string
	err  error
}

func vipd(t *testing.T) string { return program.from(t) }

// from builds the program, with more arguments for the Go command.
func (b *build) from(t *testing.T, more ...string) string {
	t.Helper()
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "vipd-faults"); b.err != nil {
			return
		}
		b.path = filepath.Join(b.dir, "vipd")
		args := append([]string{"build", "-o", b.path}, more...)
		if out, err := exec.Command("go", append(args, "vipd/vipd")...).CombinedOutput(); err != nil {
			b.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if b.err != nil {
		t.Fatalf("build vipd: %v", b.err)
	}
	return b.path
}
