package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/seal"
	"vipd/vipd/control"
)

// keyTest is one node with a key file, and a daemon that says what a test put in.
type keyTest struct {
	*testing.T
	daemon *fakeDaemon
	dir    string // also the run dir
	file   string
	config string
	keys   [3]seal.Key
}

func newKeyTest(t *testing.T) *keyTest {
	k := &keyTest{T: t, dir: shortDir(t), daemon: &fakeDaemon{status: pair(time.Now())}}
	k.file, k.config = filepath.Join(k.dir, "key"), filepath.Join(k.dir, "vipd.toml")
	for i := range k.keys {
		k.keys[i] = seal.NewKey()
		k.write(k.keyFile(i), k.keys[i].Text())
	}
	k.write(k.file, k.keys[0].Text())
	k.write(k.config, []byte(strings.ReplaceAll(pairFile, "KEY", k.file)))
	return k
}

func (k *keyTest) keyFile(i int) string { return filepath.Join(k.dir, "key"+string(rune('0'+i))) }

func (k *keyTest) id(i int) string { return k.keys[i].ID().String() }

func (k *keyTest) write(path string, text []byte) {
	k.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		k.Fatal(err)
	}
}

// peer sets what the other node is known to have, and how it is.
func (k *keyTest) peer(state string, keys ...int) {
	k.daemon.mu.Lock()
	defer k.daemon.mu.Unlock()
	n := &k.daemon.status.Nodes[1]
	n.State, n.Keys = state, nil
	for _, i := range keys {
		n.Keys = append(n.Keys, k.id(i))
	}
}

// does runs a verb and checks code and words, and which keys the file has then.
func (k *keyTest) does(line string, code int, want string, keys ...int) {
	k.Helper()
	args := append([]string{"key"}, strings.Fields(line)...)
	got, out, errOut := vipd(k.Context(), append(args, "--config", k.config, "--run-dir", k.dir)...)
	if got != code || !strings.Contains(out+errOut, want) {
		k.Errorf("key %s: %d %q %q, want %d and %q", line, got, out, errOut, code, want)
	}
	list, err := seal.ReadKeyFile(k.file)
	var wanted []seal.Key
	for _, i := range keys {
		wanted = append(wanted, k.keys[i])
	}
	if err != nil || !slices.Equal(list, wanted) {
		k.Errorf("key %s: the file has %v, %v, want %v", line, list, err, wanted)
	}
	for i := range k.keys {
		if secret := string(k.keys[i].Text()[:16]); strings.Contains(out+errOut, secret) {
			k.Errorf("key %s: shows a key", line)
		}
	}
}

// reloads are the requests that the daemon has had since it was last asked.
func (k *keyTest) reloads() (list []any) {
	k.daemon.mu.Lock()
	defer k.daemon.mu.Unlock()
	list, k.daemon.asked = k.daemon.asked, nil
	return list
}

// The three steps, with a peer that is ready for each, and one that is not.
func TestKeyRotation(t *testing.T) {
	k := newKeyTest(t)
	serve(t, k.daemon, control.NewJournal(), k.dir)
	k.peer(control.NodeUp, 0)
	k.does("activate", 1, "no key is staged", 0)
	k.does("retire", 0, "nothing to retire", 0)
	k.does("stage "+k.keyFile(0), 1, "is the active one already", 0)
	k.reloads()
	k.does("stage --dry-run "+k.keyFile(1), 0, "dry run: key "+k.id(1)+" is staged", 0)
	if list := k.reloads(); list != nil {
		t.Errorf("a dry run asked for %v", list)
	}
	k.does("stage "+k.keyFile(1), 0, "still to do: hist-b does not know key "+k.id(1)+": run 'vipd key stage FILE' there", 0, 1)
	if list := k.reloads(); !reflect.DeepEqual(list, []any{control.ReloadRequest{KeysOnly: true}}) {
		t.Errorf("the daemon was asked %v", list)
	}
	k.does("stage "+k.keyFile(1), 0, "is staged", 0, 1) // again
	k.does("stage "+k.keyFile(2), 1, "two keys already", 0, 1)
	k.does("activate", control.CodeUnsafe, "hist-b does not know key "+k.id(1), 0, 1)
	k.peer(control.NodeUnknown)
	k.does("activate", control.CodeUnsafe, "hist-b is not heard", 0, 1)
	k.peer(control.NodeUp, 0, 1)
	k.does("activate", 0, "hist-b does not seal with key "+k.id(1)+" yet", 1, 0)
	k.does("activate", 0, "is active", 1, 0) // does not go back
	k.does("stage "+k.keyFile(0), 1, "is the old one", 1, 0)
	k.does("retire", control.CodeUnsafe, "hist-b still seals with key "+k.id(0), 1, 0)
	k.peer(control.NodeUp, 1, 0)
	k.does("retire", 0, "still to do: hist-b still opens with key "+k.id(0), 1)
	k.peer(control.NodeUp, 1)
	k.does("retire", 0, "nothing to retire", 1)
}

// Force goes on without the others; the daemon is told so.
func TestKeyRotationForced(t *testing.T) {
	k := newKeyTest(t)
	stop := serve(t, k.daemon, control.NewJournal(), k.dir)
	k.peer(control.NodeSilent, 0)
	k.does("stage "+k.keyFile(1), 0, "is staged", 0, 1)
	k.does("activate", control.CodeUnsafe, "--force", 0, 1)
	k.reloads()
	k.does("activate --force", 0, "is active", 1, 0)
	if list := k.reloads(); !reflect.DeepEqual(list, []any{control.ReloadRequest{KeysOnly: true, Force: true}}) {
		t.Errorf("the daemon was asked %v", list)
	}
	stop()
	k.does("retire", control.CodeUnsafe, "vipd does not run here", 1, 0)
	k.does("retire --force", 0, "from its next start on", 1)
	k.does("stage "+k.keyFile(2), 0, "from its next start on", 1, 2)
	k.does("retire --force", 0, "is retired", 1) // a staged one
}

// What the daemon refuses is not left in the file.
func TestKeyFileIsPutBack(t *testing.T) {
	k := newKeyTest(t)
	serve(t, k.daemon, control.NewJournal(), k.dir)
	k.daemon.err = control.Errorf(control.CodeInvalid, "the key file was not taken over: no")
	before, _ := os.ReadFile(k.file)
	k.does("stage "+k.keyFile(1), control.CodeInvalid, "was not taken over: no", 0)
	if after, _ := os.ReadFile(k.file); string(after) != string(before) {
		t.Errorf("the file holds %q", after)
	}
}

// The file is changed where it is, with its mode and behind its link, and nothing
// else is left; another change at the same time is refused.
func TestKeyFileIsReplaced(t *testing.T) {
	k := newKeyTest(t)
	if err := os.Mkdir(k.dir+"/real", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(k.file, k.dir+"/real/key"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real/key", k.file); err != nil {
		t.Fatal(err)
	}
	k.does("stage "+k.keyFile(1), 0, "is staged", 0, 1)
	info, err := os.Lstat(k.file)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if list, _ := os.ReadDir(k.dir + "/real"); len(list) != 1 {
		t.Errorf("%v is left beside the key", list)
	}
	held, err := os.Open(k.dir + "/real/key")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	k.does("retire --force", 1, "is being changed by another vipd key", 0, 1)
}

// A key that is to be staged is read with the same care as a key file.
func TestStageReadsOneKey(t *testing.T) {
	k := newKeyTest(t)
	two, fifo := k.dir+"/two", k.dir+"/fifo"
	k.write(two, append(k.keys[1].Text(), k.keys[2].Text()...))
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	k.does("stage "+two, 1, "holds 2 keys, want one", 0)
	k.does("stage "+fifo, 1, "a FIFO", 0)
	k.does("stage "+k.dir+"/none", 1, "no such file", 0)
	k.does("stage", 2, "name the file", 0)
	os.Remove(k.file)
	if code, _, errOut := vipd(t.Context(), "key", "retire", "--config", k.config, "--run-dir", k.dir); code != 1 || !strings.Contains(errOut, "no such file") {
		t.Errorf("no key file: %d %q", code, errOut)
	}
	k.write(k.file, k.keys[0].Text())
	_, out, _ := vipd(t.Context(), "key", "stage", "--json", "--config", k.config, "--run-dir", k.dir, k.keyFile(1))
	var r keyResult
	if err := json.Unmarshal([]byte(out), &r); err != nil || !slices.Equal(r.Keys, []string{k.id(0), k.id(1)}) || r.Taken || r.Lacks == nil {
		t.Errorf("%v in %s", err, out)
	}
	if code, _, errOut := vipd(t.Context(), "key", "retire", "--config", k.dir+"/none"); code != control.CodeInvalid || !strings.Contains(errOut, "no such file") {
		t.Errorf("no configuration: %d %q", code, errOut)
	}
}
