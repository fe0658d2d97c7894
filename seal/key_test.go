package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var (
	zero = string(testKey(0).Text())
	one  = string(testKey(1).Text())
)

func TestParseKeys(t *testing.T) {
	cases := []struct {
		name, text string
		keys       int
		err        string
	}{
		{"one", zero, 1, ""},
		{"two", zero + one, 2, ""},
		{"capitals", strings.ToUpper(zero), 1, ""},
		{"no line end", strings.TrimSpace(zero), 1, ""},
		{"space, comments, line ends of Windows", "# keys\r\n\n  \t" + strings.TrimSpace(zero) + "  \r\n#" + one, 1, ""},
		{"empty", "", 0, "holds no key, want a line of 64 hexadecimal digits"},
		{"a comment alone", "# " + zero, 0, "holds no key, want a line of 64 hexadecimal digits"},
		{"three", zero + "\n" + one + zero, 0, "line 4: more than 2 keys"},
		{"a digit short", zero[:63] + "\n", 0, "line 1: 63 hexadecimal digits, want 64"},
		{"a digit long", "0" + zero, 0, "line 1: 65 hexadecimal digits, want 64"},
		{"no digit", "\n" + zero[:10] + "g" + zero[11:], 0, "line 2: character 11 is no hexadecimal digit"},
		{"base64", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0, "line 1: character 6 is no hexadecimal digit"},
		{"two in a line", strings.TrimSpace(zero) + " " + one, 0, "line 1: character 65 is no hexadecimal digit"},
	}
	for _, c := range cases {
		keys, err := ParseKeys([]byte(c.text))
		if len(keys) != c.keys || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %d keys, %v, want %d, %q", c.name, len(keys), err, c.keys, c.err)
		}
		for i, key := range keys {
			if key != testKey(byte(i)) {
				t.Errorf("%s: key %d is another", c.name, i)
			}
		}
	}
}

func TestParseKeyTakesOne(t *testing.T) {
	if key, err := ParseKey([]byte(zero)); err != nil || key != testKey(0) {
		t.Errorf("one key: %v, %v", key, err)
	}
	if key, err := ParseKey([]byte(zero + one)); err == nil || key != (Key{}) {
		t.Errorf("two keys: %v, %v", key, err)
	}
	if _, err := ParseKey(nil); err == nil {
		t.Error("no key, no error")
	}
}

func TestNewKeysAndSessionsDiffer(t *testing.T) {
	a, b := NewKey(), NewKey()
	if a == b || a == (Key{}) {
		t.Error("two new keys are alike, or empty")
	}
	if again, err := ParseKey(a.Text()); err != nil || again != a {
		t.Errorf("a key does not survive its text: %v", err)
	}
	if first, second := NewSession(), NewSession(); first == second {
		t.Error("two new sessions are alike")
	}
}

// write writes a key file with a mode.
func write(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // past the umask
		t.Fatal(err)
	}
	return path
}

func TestReadKeyFile(t *testing.T) {
	for _, mode := range []fs.FileMode{0o600, 0o400, 0o700} {
		keys, err := ReadKeyFile(write(t, zero+one, mode))
		if err != nil || len(keys) != 2 || keys[0] != testKey(0) || keys[1] != testKey(1) {
			t.Errorf("mode %o: %v, %v", mode, keys, err)
		}
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666} {
		path := write(t, zero, mode)
		if _, err := ReadKeyFile(path); err == nil || !strings.HasSuffix(err.Error(), "chmod 0600 "+path) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

func TestReadKeyFileRefuses(t *testing.T) {
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	fifo, socket := folder+"/fifo", folder+"/socket"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	links := 0
	link := func(to string) string {
		links++
		path := fmt.Sprintf("%s/link%d", folder, links)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cases := []struct{ name, path, want string }{
		{"a folder", folder, "a directory, not a regular file"},
		{"no file", folder + "/none", "no such file or directory; copy it from another node, or make one: vipd key generate --out " + folder + "/none"},
		{"a FIFO", fifo, "a FIFO, not a regular file; run: vipd key generate --out FILE"},
		{"a link to a FIFO", link(fifo), "a FIFO, not a regular file"},
		{"a socket", socket, "a socket, not a regular file"},
		{"a device", "/dev/zero", "a device, not a regular file"},
		{"a link to a device", link("/dev/zero"), "a device, not a regular file"},
		{"a link to nowhere", link(folder + "/nowhere"), "no such file"},
		{"a link to an open file", link(write(t, zero, 0o644)), "lets others at the key"},
		{"a path through a file", write(t, zero, 0o600) + "/key", "not a directory"},
		{"too much", write(t, strings.Repeat("#\n", maxKeyFile), 0o600), "want at most 65536"},
		{"no key", write(t, zero[:20], 0o600), "line 1: 20 hexadecimal digits, want 64"},
	}
	for _, c := range cases {
		_, err := ReadKeyFile(c.path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: %v, want the path and %q", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), zero[:20]) {
			t.Errorf("%s: the error shows what the file holds", c.name)
		}
	}
	if keys, err := ReadKeyFile(link(write(t, zero, 0o600))); err != nil || len(keys) != 1 {
		t.Errorf("a link of our own to a key file: %v", err)
	}
	if _, err := ReadKeyFile(folder + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a missing file is not fs.ErrNotExist")
	}
}

// FuzzParseKeys: whatever a key file holds, it is refused with a reason that gives
// nothing of it away, or its keys are those that their texts hold.
func FuzzParseKeys(f *testing.F) {
	one, two := NewKey().Text(), NewKey().Text()
	f.Add(one)
	f.Add(slices.Concat([]byte("# of the plant\r\n\n "), one, two))
	f.Add(slices.Concat(one, one, two))
	f.Add(one[:len(one)-2])
	f.Add([]byte("0x00\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParseKeys(text)
		if err != nil {
			if word := bytes.TrimSpace(text); len(word) > 12 && strings.Contains(err.Error(), string(word)) {
				t.Errorf("the reason gives the text away: %v", err)
			}
			return
		}
		if len(keys) == 0 || len(keys) > MaxKeys {
			t.Fatalf("%d keys", len(keys))
		}
		for _, k := range keys {
			if again, err := ParseKey(k.Text()); err != nil || again != k {
				t.Errorf("a key that is not its own text's: %v", err)
			}
		}
	})
}

// Whoever owns the file, or the link to it, could give the cluster another key.
func TestReadKeyFileOfAnotherOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	const stranger = 12345
	file, whole := write(t, zero, 0o600), write(t, zero, 0o600)
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Symlink(whole, link), os.Lchown(file, stranger, stranger), os.Lchown(link, stranger, stranger)); err != nil {
		t.Skip(err)
	}
	for path, want := range map[string]string{
		file: "owned by user 12345, want root; run: chown 0 " + file,
		link: "a symbolic link owned by user 12345, want root; name the file itself",
	} {
		if _, err := ReadKeyFile(path); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
