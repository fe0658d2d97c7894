package faults

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vipd/seal"
	"vipd/vipd/control"
)

// keyFileOf is the node's own copy of the key file.
func (n *node) keyFileOf() string { return filepath.Join(n.site.dir, "key-"+n.name) }

// withOwnKey gives the node a key file of its own.
func (n *node) withOwnKey() {
	n.site.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.site.dir, "key"))
	if err != nil {
		n.site.t.Fatal(err)
	}
	n.site.write("key-"+n.name, string(text))
	n.configure(strings.ReplaceAll(pair4, "KEY", n.keyFileOf()))
}

// key runs a verb of `vipd key` on the node.
func (n *node) key(code int, want string, args ...string) {
	n.site.t.Helper()
	args = append([]string{"key"}, append(args, "--config", n.config, "--run-dir", runDir)...)
	if out, got := n.verb(args...); got != code || !strings.Contains(out, want) {
		n.site.t.Fatalf("%s: %v: exit %d, %q, want %d and %q", n.name, args, got, out, code, want)
	}
}

// has waits until both nodes say that the node has these keys.
func (n *node) has(ids ...string) {
	n.site.t.Helper()
	for _, by := range []*node{n.site.a, n.site.b} {
		n.site.eventually(by.name+" says that "+n.name+" has the keys "+strings.Join(ids, " "), func() bool {
			return slices.ContainsFunc(by.status().Nodes, func(s control.NodeStatus) bool { return s.Name == n.name && slices.Equal(s.Keys, ids) })
		})
	}
}

// The key is changed while both nodes run: each step on one node and then on the
// other, refused while the other is not ready; no heartbeat is lost and nothing moves.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.a.withOwnKey()
	s.b.withOwnKey()
	s.startInOrder()
	keys, err := seal.ReadKeyFile(s.a.keyFileOf())
	if err != nil {
		t.Fatal(err)
	}
	epoch := s.a.token(front).Epoch
	before := keys[0].ID().String()
	for _, order := range [][2]*node{{s.a, s.b}, {s.b, s.a}} {
		fresh := seal.NewKey()
		file, after := s.write("key.new", string(fresh.Text())), fresh.ID().String()
		first, second := order[0], order[1]
		first.has(before)
		second.has(before)
		first.key(0, "still to do: "+second.name+" does not know key "+after, "stage", file)
		first.has(before, after)
		first.key(control.CodeUnsafe, second.name+" does not know key "+after, "activate")
		second.key(0, "is staged", "stage", file)
		second.has(before, after)
		first.key(0, second.name+" does not seal with key "+after+" yet", "activate")
		first.has(after, before)
		first.key(control.CodeUnsafe, second.name+" still seals with key "+before, "retire")
		second.key(0, "is active", "activate")
		second.has(after, before)
		first.key(0, second.name+" still opens with key "+before, "retire")
		first.has(after)
		second.key(0, "is retired", "retire")
		second.has(after)
		before = after
	}
	for _, n := range []*node{s.a, s.b} {
		st := n.status()
		if st.Dropped["key"]+st.Dropped["forged"]+st.Dropped["kernel"] != 0 {
			t.Errorf("%s dropped %v", n.name, st.Dropped)
		}
		for _, peer := range st.Nodes {
			for _, path := range peer.Paths {
				if path.LossRatio != 0 {
					t.Errorf("%s lost %.3f of the heartbeats of %s by %s", n.name, path.LossRatio, peer.Name, path.Remote)
				}
			}
		}
		if now := n.token(front); now.Epoch != epoch || now.Holder != "hist-a" {
			t.Errorf("%s: %s holds with epoch %d, want hist-a and %d", n.name, now.Holder, now.Epoch, epoch)
		}
	}
	s.oneAnswered(s.began)
}

// A key file with which the two nodes could not go on is not taken over by SIGHUP; a
// file that is none neither. The configuration is, and an alarm says why.
func TestKeyFileThatIsNotTakenOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.a.withOwnKey()
	s.b.withOwnKey()
	s.startInOrder()
	good, _ := os.ReadFile(s.a.keyFileOf())
	s.a.has(keyOf(t, good))
	s.b.has(keyOf(t, good))
	other := string(seal.NewKey().Text())
	for text, want := range map[string]string{
		other:                               "hist-b seals with key " + keyOf(t, good) + ", which the file does not have",
		other + string(good):                "hist-b does not know key",
		"no key at all":                     "is no hexadecimal digit",
		string(good) + other + string(good): "more than 2 keys",
	} {
		s.write("key-hist-a", text)
		s.a.signal(syscall.SIGHUP)
		s.eventually("it is an alarm", func() bool { return strings.Contains(s.a.alarms(), want) })
		s.a.has(keyOf(t, good))
	}
	os.Remove(s.a.keyFileOf())
	if err := syscall.Mkfifo(s.a.keyFileOf(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.a.signal(syscall.SIGHUP)
	s.eventually("a FIFO is an alarm", func() bool { return strings.Contains(s.a.alarms(), "a FIFO, not a regular file") })
	os.Remove(s.a.keyFileOf())
	s.write("key-hist-a", string(good))
	s.a.signal(syscall.SIGHUP)
	s.eventually("the alarm is over", func() bool { return !strings.Contains(s.a.alarms(), "key file") })
	s.audit(s.a)
	s.oneAnswered(s.began)
}

func keyOf(t *testing.T, text []byte) string {
	t.Helper()
	key, err := seal.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key.ID().String()
}
