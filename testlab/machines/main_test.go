package machines

import (
	"flag"
	"os"
	"testing"
)

// atATime is how many laboratories may stand at a time: most of a test is waiting.
const atATime = "4"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set(atATime)
	}
	os.Exit(Main(m))
}
