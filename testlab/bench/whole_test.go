package main

import (
	"slices"
	"testing"

	"vipd/testlab/whole"
)

// The bench of the real program comes out: six scenarios, once each, with every figure
// there. What the figures are is not judged, nor whether a busy machine let the address
// answer steadily.
func TestWholeBench(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Setenv(builtVariable, whole.Build(t, "vipd/vipd")) // as a release it would be compiled once more, all of it
	var got book
	whole.JSON(t, &got, whole.Build(t, "vipd/testlab/bench"),
		"-n", "1", "-mode", "default", "-scenario", "move,load,idle-one-path,process-death,idle-groups,size", "-watch", "1s", "-json")
	if len(got.Rows) != 17 {
		t.Errorf("%d figures, want 17: %+v", len(got.Rows), got.Rows)
	}
	for _, r := range got.Rows {
		if len(r.Values)+len(r.Failures) != 1 || slices.Contains(r.Failures, notMeasured) {
			t.Errorf("%s, %s: %v, %v", r.Scenario, r.Figure, r.Values, r.Failures)
		}
	}
}
