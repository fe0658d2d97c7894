package rig

import (
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kinds are the namespaces a space has of its own, in the order of entering.
var kinds = []struct {
	name string
	flag int
}{
	{"uts", unix.CLONE_NEWUTS},
	{"mnt", unix.CLONE_NEWNS},
	{"net", unix.CLONE_NEWNET},
}

// space is the inside of one machine: a network namespace, mounts and a host name of
// its own, and one thread that lives there as long as the space does. Programs are
// started by that thread, since the kernel kills them when their thread ends.
type space struct {
	handle *netlink.Handle
	files  []*os.File // the namespaces, in the order of kinds
	tid    int        // of the thread, as this pid namespace counts
	thread chan func()
	ended  chan struct{}
}

func newSpace(name string) (*space, error) {
	s := &space{thread: make(chan func()), ended: make(chan struct{})}
	made := make(chan error)
	go s.live(name, made)
	if err := <-made; err != nil {
		return nil, err
	}
	return s, nil
}

// live is the thread's whole life. It ends locked, so the runtime ends the thread
// instead of using it for other goroutines, and with it what its children inherited.
func (s *space) live(name string, made chan<- error) {
	runtime.LockOSThread()
	defer close(s.ended)
	err := s.make(name)
	made <- err
	if err != nil {
		s.release()
		return
	}
	for job := range s.thread {
		job()
	}
	s.release()
}

func (s *space) make(name string) error {
	s.tid = unix.Gettid()
	flags := unix.CLONE_FS
	for _, k := range kinds {
		flags |= k.flag
	}
	if err := unix.Unshare(flags); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := mounts(true); err != nil {
		return err
	}
	ownCgroups(name)
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	for _, k := range kinds {
		f, err := os.Open("/proc/thread-self/ns/" + k.name)
		if err != nil {
			return err
		}
		s.files = append(s.files, f)
	}
	var err error
	if s.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	return loopbackUp()
}

// on runs job on the space's own thread. It must be short, and must start no goroutine
// that expects to be inside: new goroutines run on threads of the outside.
func (s *space) on(job func() error) error {
	result := make(chan error, 1)
	select {
	case s.thread <- func() { result <- job() }:
		return <-result
	case <-s.ended:
		return os.ErrClosed
	}
}

// do runs job on a thread of its own inside the space, for as long as job likes.
func (s *space) do(job func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := s.enter(); err != nil {
			result <- err
			return
		}
		result <- job()
	}()
	return <-result
}

// enter moves the calling thread, which must be locked for good, into the space. The
// working directory stays the same path.
func (s *space) enter() error {
	directory, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare the working directory: %w", err)
	}
	for i, k := range kinds {
		if err := unix.Setns(int(s.files[i].Fd()), k.flag); err != nil {
			return fmt.Errorf("enter %s namespace: %w", k.name, err)
		}
	}
	return unix.Chdir(directory)
}

// set writes a kernel setting below /proc/sys as seen inside the space.
func (s *space) set(name, value string) error {
	return s.on(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) })
}

// network is the descriptor of the space's network namespace.
func (s *space) network() int { return int(s.files[len(s.files)-1].Fd()) }

// close ends the space's thread, which kills the programs started by it.
func (s *space) close() {
	close(s.thread)
	<-s.ended
}

func (s *space) release() {
	if s.handle != nil {
		s.handle.Close()
	}
	for _, f := range s.files {
		f.Close()
	}
}
