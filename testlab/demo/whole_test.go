package main

import (
	"os"
	"slices"
	"testing"

	"vipd/testlab/whole"
)

// The demo of the real program comes out: every scenario ends with the host answering
// that should, and what was measured adds up. How long anything took is not judged.
func TestWholeDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the demo")
	}
	var doc struct {
		Rows []Row `json:"scenarios"`
	}
	whole.JSON(t, &doc, whole.Build(t, "vipd/testlab/demo"), "--json")
	var shown []string
	for _, r := range doc.Rows {
		if r.Failed != "" {
			t.Errorf("%s, %s: %s", r.Scenario, r.What, r.Failed)
		}
		if r.Unable != "" && os.Geteuid() != 0 {
			t.Logf("%s: %s", r.Scenario, r.Unable)
		} else if r.Asked == 0 || r.Lost >= r.Asked || r.TCPAsked == 0 || len(r.AnsweredBy) == 0 {
			t.Errorf("measured nothing that can be: %+v", r)
		}
		if w := r.Writing; w != nil && (len(w.By) == 0 || w.OverlapMS != 0) {
			t.Errorf("%s, %s: written by %v, two wrote for %v ms", r.Scenario, r.What, w.By, w.OverlapMS)
		}
		if !slices.Contains(shown, r.Scenario) {
			shown = append(shown, r.Scenario)
		}
	}
	if !slices.Equal(shown, Names()) {
		t.Errorf("showed %v, want %v", shown, Names())
	}
}
