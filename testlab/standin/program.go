package standin

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kind is what a stand-in stands for.
type Kind string

// The kinds.
const (
	DataServer Kind = "dataserver" // answers clients
	Historian  Kind = "historian"  // writes to the store
	RTDB       Kind = "rtdb"       // keeps the current values
)

// child is what a stand-in may leave behind: a process of its own session that ends by
// SIGKILL alone.
const child Kind = "child"

// prefix begins the name that a stand-in is started by.
const prefix = "standin-"

// Exit statuses of a stand-in.
const (
	exitTrouble = 1
	exitRefused = 3 // the store knows a newer epoch
	exitWhim    = 7
)

// service is one of the kinds at work.
type service interface {
	// open takes what the service needs of the host; hold is what a child may inherit.
	open(*life) (hold *os.File, err error)
	// serve works until ctx ends. An error ends the process.
	serve(context.Context, *life) error
	// status is what it says of itself, in lines; an error when it is not well.
	status() (string, error)
}

// life is one run of a stand-in.
type life struct {
	node   string
	epoch  uint64
	port   uint
	page   uint
	store  string
	every  time.Duration
	whims  string
	began  time.Time
	served service
}

// Main makes this process a stand-in, and does not return, if it was started by the name
// of one.
func Main() {
	kind, is := strings.CutPrefix(filepath.Base(os.Args[0]), prefix)
	if !is {
		return
	}
	if err := be(Kind(kind), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitCode(err))
	}
	os.Exit(0)
}

// Install makes the names by which the program at exe is a stand-in, in a folder.
func Install(exe, folder string) error {
	for _, kind := range []Kind{DataServer, Historian, RTDB} {
		if err := os.Symlink(exe, Path(folder, kind)); err != nil {
			return fmt.Errorf("install a stand-in: %w", err)
		}
	}
	return nil
}

// Path is where Install puts a stand-in.
func Path(folder string, kind Kind) string { return filepath.Join(folder, prefix+string(kind)) }

// be is the whole life of a stand-in.
func be(kind Kind, args []string) error {
	l := life{began: time.Now()}
	f := flag.NewFlagSet(string(kind), flag.ContinueOnError)
	f.UintVar(&l.port, "port", 0, "where clients are served")
	f.UintVar(&l.page, "page", 0, "where it says over HTTP how it is")
	f.StringVar(&l.store, "store", "", "`HOST:PORT` of the store")
	f.DurationVar(&l.every, "every", 5*time.Millisecond, "from one row to the next")
	f.StringVar(&l.whims, "whims", "", "`FILE` that says how to misbehave; the host's name is added")
	if err := f.Parse(args); err != nil {
		return err
	}
	l.node, _ = os.Hostname()
	l.epoch, _ = strconv.ParseUint(os.Getenv("VIPD_EPOCH"), 10, 64) // 0 outside of a group
	switch kind {
	case DataServer:
		l.served = &dataServer{}
	case Historian:
		l.served = &historian{}
	case RTDB:
		l.served = &rtdb{values: map[string]string{}}
	case child:
		signal.Ignore(syscall.SIGTERM)
		for {
			time.Sleep(time.Hour) // not select: the runtime would take that for a deadlock
		}
	default:
		return fmt.Errorf("no stand-in is called %q", kind)
	}
	return l.run()
}

func (l *life) run() error {
	whims, err := readWhims(l.whims, l.node)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if whims.Deaf {
		signal.Ignore(syscall.SIGTERM)
	} else {
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM)
		defer stop()
	}
	hold, err := l.served.open(l)
	if err != nil {
		return err
	}
	if err := l.answerPage(); err != nil {
		return err
	}
	if whims.Child {
		if err := leave(hold); err != nil {
			return err
		}
	}
	if whims.Crash > 0 {
		time.AfterFunc(whims.Crash, func() { os.Exit(exitWhim) })
	}
	return l.served.serve(ctx, l)
}

// leave starts a child that outlives this process in a session of its own, and holds
// the port open.
func leave(hold *os.File) error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = prefix + string(child)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.ExtraFiles = []*os.File{hold}
	return cmd.Start()
}
