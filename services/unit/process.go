package unit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"vipd/host/cgroup"
	"vipd/host/child"
)

// process is a service that is a program, in a control group of its own.
type process struct {
	name  string
	argv  []string
	o     Options
	group cgroup.Group
	files string // path of its files, without an ending
	out   output

	turn sync.Mutex // one call at a time
	run  *run       // what we started or adopted; nil: nothing
}

// run is one life of the main process.
type run struct {
	main  *mainProcess
	ended chan struct{} // closed when nothing will be told of it any more

	mu    sync.Mutex
	asked bool // its end is wanted: it is no death
	died  bool
}

func newProcess(text string, o Options) (*process, error) {
	argv, err := parseCommand(strings.TrimPrefix(text, execScheme))
	if err != nil {
		return nil, err
	}
	folder, err := GroupFolder(o.Cgroup, o.Group)
	if err != nil {
		return nil, err
	}
	files := filepath.Join(o.Dir, o.Group)
	if err := os.MkdirAll(files, 0o750); err != nil {
		return nil, fmt.Errorf("run-time folder: %w", err)
	}
	name := folderName(text, argv)
	files = filepath.Join(files, name)
	return &process{
		name: text, argv: argv, o: o,
		group: cgroup.Group(filepath.Join(folder, name)), files: files, out: output(files + ".log"),
	}, nil
}

func (p *process) Name() string { return p.name }

// Check says why the program can't be run, or shouldn't with our rights.
func (p *process) Check(context.Context) error {
	if err := p.o.Rights.Check(); err != nil {
		return err
	}
	return checkProgram(p.argv[0], p.o.Rights)
}

// CheckProcess says why the text can't be run as a process with these rights on this
// host: its form, its program, or that there is no room for its control group. A text of
// another kind is fine. It changes nothing.
func CheckProcess(text string, rights child.Rights) error {
	command, is := strings.CutPrefix(text, execScheme)
	if !is {
		return nil
	}
	argv, err := parseCommand(command)
	if err != nil {
		return err
	}
	if err := checkProgram(argv[0], rights); err != nil {
		return err
	}
	_, err = cgroupRoot()
	return err
}

// checkProgram says why a program can't be run with the rights, or who could put
// another in its place.
func checkProgram(path string, rights child.Rights) error {
	if err := rights.CheckProgram(path); err != nil {
		return err
	}
	about, err := os.Stat(path)
	if err != nil {
		return err
	}
	if about.Mode()&0o002 != 0 {
		return fmt.Errorf("%s: everybody may change it: chmod o-w %s", path, path)
	}
	for folder := filepath.Dir(path); ; folder = filepath.Dir(folder) {
		about, err := os.Stat(folder)
		if err != nil {
			return err
		}
		if about.Mode()&0o002 != 0 && about.Mode()&os.ModeSticky == 0 {
			return fmt.Errorf("%s: everybody may put another program there: chmod o-w %s", folder, folder)
		}
		if folder == "/" {
			return nil
		}
	}
}

func (p *process) Start(ctx context.Context, env Env) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.run != nil && !p.run.isDead() {
		return fmt.Errorf("start %s: it runs, as pid %d", p.name, p.run.main.pid)
	}
	if err := p.clear(ctx); err != nil {
		return fmt.Errorf("start %s: what an earlier run left: %w", p.name, err)
	}
	if err := p.start(env); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", p.name, err), p.clear(ctx))
	}
	return nil
}

// start starts the program and writes down which process it is. One that the
// next daemon could not find again is not to run: it is watched all the same,
// until somebody clears it.
func (p *process) start(env Env) error {
	if err := os.MkdirAll(string(p.group), 0o755); err != nil {
		return err
	}
	out, err := p.out.open(env.Epoch, time.Now())
	if err != nil {
		return err
	}
	defer out.Close()
	if err := p.o.Rights.Own(out); err != nil {
		return err
	}
	main, err := launch(p.argv, env.list(), p.o.Rights, p.group, out)
	if err != nil {
		return err
	}
	started, _, err := startOf(main.pid) // if it has ended already, nobody has reaped it yet
	if err == nil {
		err = state{PID: main.pid, Started: started}.write(p.files + ".state")
	}
	p.watch(main)
	if err != nil {
		p.run.wantEnd()
	}
	return err
}

func (p *process) Adopt(ctx context.Context) (bool, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.run != nil && !p.run.isDead() {
		return true, nil
	}
	if there, err := p.group.Populated(); err == nil && there {
		main, err := p.known()
		if err == nil {
			p.watch(main)
			return true, nil
		}
		p.o.Log.Warn("what runs of it can't be adopted and is killed", "why", err, "left", survivors(p.group))
	}
	if err := p.clear(ctx); err != nil {
		return false, fmt.Errorf("adopt %s: %w", p.name, err)
	}
	return false, nil
}

// known opens the main process that an earlier daemon wrote down.
func (p *process) known() (*mainProcess, error) {
	was, err := readState(p.files + ".state")
	if err != nil {
		return nil, fmt.Errorf("which process is the main one is not known: %w", err)
	}
	return openMain(was.PID, was.Started, p.group)
}

func (p *process) Stop(ctx context.Context) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if err := p.end(ctx); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	return nil
}

// end asks the main process to end, waits for it, and clears what is left.
func (p *process) end(ctx context.Context) error {
	if p.run != nil && p.run.wantEnd() {
		patience := time.NewTimer(p.o.StopTimeout)
		defer patience.Stop()
		if err := p.run.main.signal(syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case <-p.run.ended:
		case <-patience.C:
			p.o.Log.Warn("still there after SIGTERM, killed", "after", p.o.StopTimeout, "left", survivors(p.group))
		case <-ctx.Done():
			return fmt.Errorf("%w; asked to end: %s", context.Cause(ctx), survivors(p.group))
		}
	}
	return p.clear(ctx)
}

// clear leaves nothing of the service.
func (p *process) clear(ctx context.Context) error {
	if err := clearGroup(ctx, p.group); err != nil {
		return err
	}
	if p.run != nil {
		<-p.run.ended // the kernel has emptied the group, so this is near
		p.run = nil
	}
	err := os.Remove(p.files + ".state")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (p *process) Close() error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.run != nil {
		p.run.main.close()
		<-p.run.ended
		p.run = nil
	}
	return nil
}
