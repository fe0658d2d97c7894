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

// group is a control group of version 2, by its directory.
type group string

// groupLimit is how long the kernel may take to end or to freeze what is in a group.
const groupLimit = 10 * time.Second

func (g group) sub(name string) group { return group(filepath.Join(string(g), name)) }

func (g group) make() error { return os.MkdirAll(string(g), 0o755) }

func (g group) write(file, text string) error {
	return os.WriteFile(filepath.Join(string(g), file), []byte(text), 0)
}

// is says whether the group's events have this line, such as "populated 1".
func (g group) is(line string) bool {
	text, err := os.ReadFile(filepath.Join(string(g), "cgroup.events"))
	return err == nil && slices.Contains(strings.Split(string(text), "\n"), line)
}

// until waits for a line of the group's events.
func (g group) until(line string) error {
	ctx, cancel := context.WithTimeout(context.Background(), groupLimit)
	defer cancel()
	if !wait(ctx, func() bool { return g.is(line) }) {
		return fmt.Errorf("%s: not %q after %v", g, line, groupLimit)
	}
	return nil
}

// freeze stops everything in the group, and thaw lets it go on.
func (g group) freeze() error {
	return errors.Join(g.write("cgroup.freeze", "1"), g.until("frozen 1"))
}

func (g group) thaw() error {
	return errors.Join(g.write("cgroup.freeze", "0"), g.until("frozen 0"))
}

// kill ends everything in the group at one moment, frozen or not, and returns when
// nothing is left.
func (g group) kill() error {
	return errors.Join(g.write("cgroup.kill", "1"), g.until("populated 0"))
}

// end kills what is in the group and takes it away with all groups below it. That it is
// gone already is fine.
func (g group) end() error {
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
	const pause = 5 * time.Millisecond
	for !is() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
	return true
}
