package child

import (
	"fmt"
	"strings"
	"testing"
)

func TestTailKeepsTheEnd(t *testing.T) {
	var said Tail
	for i := range 1000 {
		fmt.Fprintf(&said, "line %d\n", i)
	}
	if len(said.kept) != tailSize || !strings.HasSuffix(string(said.kept), "line 999\n") {
		t.Errorf("kept %d bytes, ending %q", len(said.kept), said.kept[len(said.kept)-20:])
	}
	fmt.Fprint(&said, " \n\n")
	if said.LastLine() != "line 999" || !strings.HasSuffix(said.String(), "line 998\nline 999") {
		t.Errorf("last line %q, text ends %q", said.LastLine(), said.String()[450:])
	}
}
