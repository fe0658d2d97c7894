package machines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cgroup is a control group of version 2, by its directory.
type cgroup string

// groupLimit is how long the kernel may take to end or to freeze what is in a group.
const groupLimit = 10 * time.Second

func (g cgroup) sub(name string) cgroup { return cgroup(filepath.Join(string(g), name)) }

func (g cgroup) make() error { return os.MkdirAll(string(g), 0o755) }

// is says whether the group's events have this line, such as "populated 1".
func (g cgroup) is(line string) bool {
	text, err := os.ReadFile(filepath.Join(string(g), "cgroup.events"))
	return err == nil && slices.Contains(strings.Split(string(text), "\n"), line)
}

// until waits for a line of the group's events.
func (g cgroup) until(line string) error {
	ctx, cancel := context.WithTimeout(context.Background(), groupLimit)
	defer cancel()
	if !wait(ctx, func() bool { return g.is(line) }) {
		return fmt.Errorf("%s: not %q after %v", g, line, groupLimit)
	}
	return nil
}

// set writes one of the group's files and waits for what comes of it.
func (g cgroup) set(file, value, until string) error {
	if err := os.WriteFile(filepath.Join(string(g), file), []byte(value), 0); err != nil {
		return err
	}
	return g.until(until)
}

// freeze stops everything in the group, and thaw lets it go on.
func (g cgroup) freeze() error { return g.set("cgroup.freeze", "1", "frozen 1") }
func (g cgroup) thaw() error   { return g.set("cgroup.freeze", "0", "frozen 0") }

// kill ends everything in the group at one moment, frozen or not, and returns when
// nothing is left.
func (g cgroup) kill() error { return g.set("cgroup.kill", "1", "populated 0") }

// killable says why the kernel can't do so, nil if it can.
func (g cgroup) killable() error {
	_, err := os.Stat(filepath.Join(string(g), "cgroup.kill"))
	if err != nil {
		return fmt.Errorf("no control group of version 2 that can be killed as one: %w", err)
	}
	return nil
}

// end kills what is in the group and takes it away with all groups below it. That it is
// gone already is fine.
func (g cgroup) end() error {
	if _, err := os.Stat(string(g)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := g.kill(); err != nil {
		return err
	}
	var below []string
	filepath.WalkDir(string(g), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			below = append(below, path)
		}
		return nil
	})
	slices.Reverse(below) // the inner ones first
	var failed error
	for _, path := range below {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// wait waits until it is so; false if the context ends before.
func wait(ctx context.Context, is func() bool) bool {
	const pause = 20 * time.Millisecond // most of it asks a program, which costs more than the wait
	for !is() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
	return true
}
