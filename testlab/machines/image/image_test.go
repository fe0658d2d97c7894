package image

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onlyTar hides mmdebstrap, so that nothing can be downloaded.
func onlyTar(t *testing.T) {
	t.Helper()
	tar, err := exec.LookPath("tar")
	if err != nil {
		t.Fatal(err)
	}
	programs := t.TempDir()
	if err := os.Symlink(tar, filepath.Join(programs, "tar")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", programs)
}

// What is not made is found to be missing, with the command that makes it; an archive
// is enough to make it without any package; and what is made is found.
func TestMake(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the disk's files have many owners")
	}
	onlyTar(t)
	folder := t.TempDir()
	if _, err := Find(folder); err == nil || !strings.Contains(err.Error(), Command) {
		t.Errorf("nothing is made yet: %v", err)
	}
	var said bytes.Buffer
	if _, err := Make(t.Context(), folder, Mirror, &said); err == nil || !strings.Contains(err.Error(), "apt-get install mmdebstrap") {
		t.Errorf("without mmdebstrap: %v", err)
	}
	files := t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "marker"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(files, "marker"), 1234, 5678); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-cf", filepath.Join(folder, name()+".tar"), "-C", files, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range 2 { // the second finds it
		root, err := Make(t.Context(), folder, Mirror, &said)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := Find(folder); err != nil || found != root {
			t.Errorf("found %q (%v), made %q", found, err, root)
		}
		var kept unix.Stat_t
		if err := unix.Stat(filepath.Join(root, "marker"), &kept); err != nil || kept.Uid != 1234 || kept.Gid != 5678 {
			t.Errorf("the marker is of %d:%d (%v)", kept.Uid, kept.Gid, err)
		}
	}
	if n := strings.Count(said.String(), "unpacking"); n != 1 {
		t.Errorf("unpacked %d times:\n%s", n, said.String())
	}
}

func TestFolder(t *testing.T) {
	t.Setenv(folderVariable, "/var/cache/machines")
	if folder, err := Folder(); err != nil || folder != "/var/cache/machines" {
		t.Errorf("%q, %v", folder, err)
	}
	t.Setenv(folderVariable, "")
	t.Setenv("XDG_CACHE_HOME", "/home/somebody/.cache")
	if folder, err := Folder(); err != nil || folder != "/home/somebody/.cache/vipd/machines" {
		t.Errorf("%q, %v", folder, err)
	}
}
