package watchdog

import (
	"path/filepath"
	"testing"
)

// Below the root only groups in the named folders may be killed, and not these
// themselves.
func TestOnly(t *testing.T) {
	p := newPlace(t)
	t.Cleanup(func() { // the inner ones first
		removeGroup(t, filepath.Join(p.root, "ours"))
		removeGroup(t, filepath.Join(p.root, "other"))
	})
	for _, c := range []struct {
		path string
		only []string
		may  bool
	}{
		{"ours", nil, true},
		{"ours", []string{"ours"}, false},
		{"ours/group", []string{"more", "ours"}, true},
		{"other", []string{"ours"}, false},
		{"other/group", []string{"ours"}, false},
		{"other/group", nil, true},
	} {
		path := filepath.Join(p.root, c.path)
		if !exists(path) {
			p.group(c.path)
		}
		r, err := openRoot(p.root, c.only)
		if err != nil {
			t.Fatal(err)
		}
		what, err := identify(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.find(what)
		if may := err == nil; may != c.may {
			t.Errorf("%s with only %v: %v", c.path, c.only, err)
		}
		if v != nil {
			v.close()
		}
		r.close()
	}
}
