package faults

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"vipd/testlab/program"
	"vipd/testlab/rig"
	"vipd/testlab/standin"
)

// The stand-ins of services are this test program, started by another name.
func init() { standin.Main() }

// atATime is how many laboratories may stand at a time: most of a case is waiting.
const atATime = "6"

// daemon is the program under test.
const daemon = "vipd/vipd"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set(atATime)
	}
	program.Build(daemon, losing)
	os.Exit(rig.Main(whole{m}))
}

// whole runs the tests and takes away the programs that they run.
type whole struct{ *testing.M }

func (w whole) Run() int {
	code := w.M.Run()
	program.Remove()
	if wedgeable.dir != "" {
		os.RemoveAll(wedgeable.dir)
	}
	return code
}

// vipd is the real program.
func vipd(t *testing.T) string {
	t.Helper()
	exe, err := program.Path(daemon)
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// build is a variant of the program on its way from the source, built once when the
// first test needs it. What the source needs was downloaded for the program itself.
type build struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// from builds the program, with more arguments for the Go command.
func (b *build) from(t *testing.T, more ...string) string {
	t.Helper()
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "vipd-faults"); b.err != nil {
			return
		}
		b.path = filepath.Join(b.dir, "vipd")
		args := append([]string{"build", "-o", b.path}, more...)
		if out, err := exec.Command("go", append(args, daemon)...).CombinedOutput(); err != nil {
			b.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if b.err != nil {
		t.Fatalf("build vipd: %v", b.err)
	}
	return b.path
}
