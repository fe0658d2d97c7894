package mapped

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

const size = 4096 + 8

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A store reaches every mapping at once and outlives the one that made it.
func TestStoreOutlivesItsWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page")
	first, second := open(t, path), open(t, path)
	first.Word(size - 8).Store(1<<63 + 5)
	if got := second.Word(size - 8).Load(); got != 1<<63+5 {
		t.Errorf("the other mapping has %d", got)
	}
	if first.Removed() {
		t.Error("called removed")
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if !first.Removed() {
		t.Error("removed, and not noticed")
	}
	third := open(t, path)
	if !first.Removed() || third.Removed() || third.Word(size-8).Load() != 0 {
		t.Error("another file by the same path is taken for the first")
	}
}

// The file has its room on the disk, also one that was longer or shorter before.
func TestRoom(t *testing.T) {
	for _, before := range []int64{0, 10, 3 * size} {
		path := filepath.Join(t.TempDir(), "page")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, before); err != nil {
			t.Fatal(err)
		}
		open(t, path)
		var is unix.Stat_t
		if err := unix.Stat(path, &is); err != nil || is.Size != size {
			t.Fatalf("%d octets, %v", is.Size, err)
		}
		if is.Blocks*512 < size {
			t.Logf("this file system reserves no room: %d blocks", is.Blocks)
		}
	}
}

// A link, a folder or a pipe in the place of the file is refused at once.
func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	link, pipe := filepath.Join(folder, "link"), filepath.Join(folder, "pipe")
	if err := os.Symlink(filepath.Join(folder, "page"), link); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, folder, pipe} {
		if f, err := Open(path, size); err == nil {
			f.Close()
			t.Errorf("%s was mapped", path)
		}
	}
}

func TestPrivate(t *testing.T) {
	f := Private(size)
	f.Word(8).Store(7)
	if f.Bytes()[8]+f.Bytes()[15] != 7 || f.Close() != nil {
		t.Error("no memory like that of a file")
	}
}
