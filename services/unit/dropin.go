package unit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// dropIn is how a systemd service gets its environment: a file in its run-time
// folder of drop-ins names another file, which systemd reads anew at each start.
// So a new epoch costs no daemon-reload, which would take its time in the middle
// of a failover.
type dropIn struct {
	path        string // NAME.service.d/zz-vipd.conf
	environment string // the file that it names
	slice       string // of the group, for a unit that one node alone runs; or empty
}

// text of the drop-in. A start by hand, before any grant, finds no environment.
// What one node alone runs is not started again by systemd: the lease may have
// ended, and killed it.
func (d dropIn) text() string {
	text := "# Written by vipd.\n[Service]\nEnvironmentFile=-" + d.environment + "\n"
	if d.slice != "" {
		text += "Slice=" + d.slice + "\nRestart=no\n"
	}
	return text
}

// install writes the drop-in where it is missing or different, and says whether
// systemd has to read it.
func (d dropIn) install() (changed bool, err error) {
	now, err := os.ReadFile(d.path)
	if err == nil && string(now) == d.text() {
		return false, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(d.path), 0o755); err != nil {
		return false, err
	}
	return true, replaceFile(d.path, []byte(d.text()), 0o644)
}

// set writes the environment of the next start.
func (d dropIn) set(env Env) error {
	var text strings.Builder
	for _, pair := range env.own() {
		name, value, _ := strings.Cut(pair, "=")
		fmt.Fprintf(&text, "%s=\"%s\"\n", name, quoted.Replace(value))
	}
	if err := os.MkdirAll(filepath.Dir(d.environment), 0o750); err != nil {
		return err
	}
	return replaceFile(d.environment, []byte(text.String()), 0o640)
}

// environmentSuffix ends the name of the file that a service has from its start to its
// stop: what a daemon finds of it in the run directory, an earlier one has started.
const environmentSuffix = ".env"

// unset takes the environment away: nothing of the service is left.
func (d dropIn) unset() error { return removeFile(d.environment) }

// remove takes the drop-in away, for systemd to forget when it reads them anew.
func (d dropIn) remove() error {
	err := removeFile(d.path)
	if err == nil {
		_ = os.Remove(filepath.Dir(d.path)) // stays where others have put something there
	}
	return err
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// quoted keeps a value within its quotation marks, see EnvironmentFile= in
// systemd.exec(5).
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`, "\n", " ")
