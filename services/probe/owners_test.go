package probe

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vipd/testlab/rig"
)

// TestVet refuses a file that others could change or exchange, wherever on the way.
func TestVet(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: files are given to another user")
	}
	for _, c := range []struct {
		name    string
		spoil   func(root string) error // root/folder/check, root/link -> folder, root/folder/alias -> check
		path    string
		refused string // empty: allowed
	}{
		{"as it should be", nil, "folder/check", ""},
		{"by links", nil, "link/alias", ""},
		{"by a roundabout way", nil, "folder/../link/./check", ""},
		{"group writes to the file", chmod("folder/check", 0o775), "folder/check", "folder/check has mode 0775"},
		{"all write to the file", chmod("folder/check", 0o757), "link/alias", "folder/check has mode 0757"},
		{"group writes to the folder", chmod("folder", 0o770), "folder/check", "folder has mode 0770"},
		{"others write to the folder, even sticky", chmod("folder", 0o777|os.ModeSticky), "folder/check", "folder has mode 0777"},
		{"folder above", chmod(".", 0o777), "folder/check", "has mode 0777"},
		{"another's file", chown("folder/check"), "folder/check", "folder/check belongs to user 12345"},
		{"another's folder", chown("folder"), "folder/check", "folder belongs to user 12345"},
		{"another's link to the folder", chown("link"), "link/check", "link belongs to user 12345"},
		{"another's link to the file", chown("folder/alias"), "folder/alias", "alias belongs to user 12345"},
		{"a folder", nil, "folder", "is no file"},
		{"nothing", nil, "folder/none", "no such file"},
		{"a loop", func(root string) error { return os.Symlink("loop", filepath.Join(root, "loop")) }, "loop", "too many levels of symbolic links"},
	} {
		root := safeFolder(t)
		lay(t, root)
		if c.spoil != nil {
			err := c.spoil(root)
			if _, apart := rig.Outside(); apart && errors.Is(err, syscall.EINVAL) {
				continue // in this user namespace there is no other user to give it to
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		target, err := Parse("exec:" + root + "/" + c.path)
		if err != nil {
			t.Fatal(err)
		}
		err = target.Vet()
		if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.refused)
		}
		if ok, text := once(t, target.String(), Options{}); ok != (c.refused == "") {
			t.Errorf("%s: the check said %v %q", c.name, ok, text)
		}
	}
}

// lay lays out the files that the test is about.
func lay(t *testing.T, root string) {
	t.Helper()
	for _, err := range []error{
		os.Chmod(root, 0o755),
		os.Mkdir(filepath.Join(root, "folder"), 0o755),
		os.WriteFile(filepath.Join(root, "folder/check"), []byte("#!/bin/sh\n"), 0o755),
		os.Symlink(filepath.Join(root, "folder"), filepath.Join(root, "link")),
		os.Symlink("check", filepath.Join(root, "folder/alias")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func chmod(name string, mode os.FileMode) func(string) error {
	return func(root string) error { return os.Chmod(filepath.Join(root, name), mode) }
}

func chown(name string) func(string) error {
	return func(root string) error { return os.Lchown(filepath.Join(root, name), 12345, 0) }
}
