package pair

import (
	"strings"
	"testing"
)

func TestTailKeepsTheEnd(t *testing.T) {
	d := newDaemon(nil, NameA)
	for range 2 * tailSize / 4 {
		d.log.Write([]byte("xxx\n"))
	}
	d.log.Write([]byte("last\n"))
	if n := len(d.log.bytes()); n != tailSize {
		t.Errorf("kept %d bytes, want %d", n, tailSize)
	}
	if words := d.words(); !strings.HasSuffix(words, "    hist-a: last\n") {
		t.Errorf("words end with %q", words[len(words)-30:])
	}
}
