package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	socketName = "vipd.sock"
	lockName   = "vipd.lock" // held while the daemon lives; names its pid
	newSuffix  = ".new"
	maxPath    = 107 // bytes of a unix socket's path, unix(7)
)

// SocketPath is where the daemon with this run dir answers.
func SocketPath(runDir string) string { return filepath.Join(runDir, socketName) }

// socket is the listening end in the file system. The lock, not the socket
// file, says that a daemon lives: it ends with the process however that dies.
type socket struct {
	path   string
	rights rights
	lock   *os.File
	ln     *net.UnixListener
}

// openSocket takes the run dir for this process and listens in it.
func openSocket(runDir string, r rights) (*socket, error) {
	s := &socket{path: SocketPath(runDir), rights: r}
	if n, most := len(s.path), maxPath-len(newSuffix); n > most {
		return nil, fmt.Errorf("listen on %s: the path has %d bytes, at most %d fit: choose a shorter run dir", s.path, n, most)
	}
	if err := s.restore(); err != nil {
		if s.lock != nil {
			s.lock.Close()
		}
		return nil, err
	}
	return s, nil
}

// restore makes what is missing: the run dir, the lock in it, the socket.
func (s *socket) restore() error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return fmt.Errorf("make run dir: %w", err)
	}
	if !s.locked() {
		fresh, err := lock(s.lockPath())
		if err != nil {
			return err
		}
		if s.lock != nil {
			s.lock.Close()
		}
		s.lock = fresh
	}
	ln, err := listen(s.path, s.rights)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.path, err)
	}
	if s.ln != nil {
		s.ln.Close()
	}
	s.ln = ln
	return nil
}

func (s *socket) lockPath() string {
	return filepath.Join(filepath.Dir(s.path), lockName)
}

// lock takes the lock file or names who has it.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock run dir: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, Errorf(CodeHeld, "another vipd runs with this run dir %s (pid %s)", filepath.Dir(path), pidIn(f))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	_ = errors.Join(f.Truncate(0), writePID(f)) // for a message alone: a full disk must keep no daemon from running
	return f, nil
}

func writePID(f *os.File) error {
	_, err := fmt.Fprintf(f, "%d\n", os.Getpid())
	return err
}

func pidIn(f *os.File) string {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" {
		return pid
	}
	return "unknown"
}

// listen prepares the socket under another name and renames it into place:
// the socket of a dead daemon is replaced, and nobody ever sees one with the
// wrong mode or owner.
func listen(path string, r rights) (*net.UnixListener, error) {
	fresh := path + newSuffix
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false) // it knows only the first name
	err = os.Chmod(fresh, 0o660)
	if err == nil && r.group != nil && r.daemon == 0 {
		err = os.Chown(fresh, -1, int(*r.group))
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		ln.Close()
		os.Remove(fresh)
		return nil, err
	}
	return ln, nil
}

// locked is true while the lock file that others see is the one held here.
func (s *socket) locked() bool {
	if s.lock == nil {
		return false
	}
	held, err := s.lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(s.lockPath())
	return err == nil && os.SameFile(held, named)
}

// inPlace is false when someone has deleted the socket or the lock.
func (s *socket) inPlace() bool {
	sock, err := os.Lstat(s.path)
	return err == nil && sock.Mode().Type() == os.ModeSocket && s.locked()
}

// close stops listening, removes the socket if it is still there, and gives
// the run dir up. The lock file stays: removing it would let two daemons lock
// two files of one name.
func (s *socket) close() {
	if s.inPlace() {
		os.Remove(s.path)
	}
	s.ln.Close()
	s.lock.Close()
}
