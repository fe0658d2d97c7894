package observe

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
)

// gate is a writer that takes nothing until it is opened.
type gate struct {
	open chan struct{}
	text bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.text.Write(p)
}

// Whoever logs never waits; what found no room is counted, the rest is written in
// order and whole before the end.
func TestLogNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &gate{open: make(chan struct{})}
		a := NewAsyncHandler(slog.NewTextHandler(out, nil))
		log := slog.New(a).With("node", "hist-a").WithGroup("g")
		for i := range linesWaiting + 100 {
			log.Info("line", "i", i)
			synctest.Wait()
		}
		a.End() // gives up after its limit
		close(out.open)
		synctest.Wait()
		log.Info("after")
		a.End()
		text := out.text.String()
		if !strings.Contains(text, "msg=line node=hist-a g.i=0\n") || !strings.Contains(text, "99 lines of the log were left out") || !strings.HasSuffix(text, "msg=after node=hist-a\n") {
			t.Errorf("wrote %d octets, beginning %.200q, ending %q", len(text), text, text[len(text)-200:])
		}
	})
}
