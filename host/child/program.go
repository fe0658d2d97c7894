package child

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CheckProgram says why the program can't be started with these rights on this host:
// it is not there, the user may not run it, or the kernel would not know how. A process
// that can't become the user looks with its own rights.
func (r Rights) CheckProgram(path string) error {
	about, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrPermission):
	case err != nil:
		return err
	case !about.Mode().IsRegular():
		return fmt.Errorf("%s: not a file", path)
	case about.Mode()&0o111 == 0:
		return fmt.Errorf("%s: permission denied: nobody may run it: chmod +x %s", path, path)
	}
	if err := r.mayRun(path); err != nil {
		return err
	}
	return format(path)
}

// mayRun asks the kernel, as the user of the command. access(2) judges by the real user
// and group, so that the thread keeps the effective ones and the rights that it needs.
func (r Rights) mayRun(path string) error {
	id, err := r.identity()
	if err != nil || id.possible() != nil {
		return err
	}
	onThread(func() {
		if err = id.impersonate(); err == nil {
			err = unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, 0)
		}
	})
	if errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%s: permission denied: user %d, which it runs as, may not run it, or not enter a folder on the way", path, id.uid)
	}
	return err
}

// impersonate makes the user the calling thread's real one, with no right to pass by the rights
// of files.
func (id identity) impersonate() error {
	if id.regroups() || id.changes() {
		if err := setGroups(id.gid, keep, id.groups); err != nil {
			return err
		}
	}
	if id.changes() {
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(id.uid), keep, keep)
		return numbered("set user", errno)
	}
	have, err := ownCapabilities()
	if err == nil && !id.all {
		err = setCapabilities(have &^ (1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH))
	}
	return err
}

// format says why the kernel would not know how to run the file (execve(2)). One that
// this process may not read is taken to be right.
func format(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(file, head)
	if err != nil && n == 0 {
		return nil // an empty file may be one that is still to be written
	}
	head = head[:n]
	switch line, isScript := bytes.CutPrefix(head, []byte("#!")); {
	case isScript:
		line, _, _ = bytes.Cut(line, []byte("\n"))
		return interpreter(path, string(line))
	case bytes.HasPrefix(head, []byte("\x7fELF")) || otherFormats():
		return nil
	}
	return fmt.Errorf("%s: exec format error: it begins neither with #! nor as a program of Linux does", path)
}

// interpreter says why a script's first line names no program.
func interpreter(path, line string) error {
	words := strings.Fields(line)
	if len(words) == 0 {
		return fmt.Errorf("%s: exec format error: its #! names no interpreter", path)
	}
	if !filepath.IsAbs(words[0]) {
		return nil // found from the folder that it is started in
	}
	about, err := os.Stat(strings.TrimSuffix(words[0], "\r"))
	switch {
	case strings.HasSuffix(line, "\r"):
		return fmt.Errorf("%s: its first line ends as those of Windows do, so no interpreter is found", path)
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: no such file or directory: its interpreter %s", path, words[0])
	case err == nil && about.Mode()&0o111 == 0:
		return fmt.Errorf("%s: permission denied: its interpreter %s", path, words[0])
	}
	return nil
}

// otherFormats reports whether this host knows more kinds of programs (binfmt_misc).
func otherFormats() bool {
	entries, _ := os.ReadDir("/proc/sys/fs/binfmt_misc")
	return len(entries) > 2 // beside register and status
}
