package machines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vipd/vipd/control"
)

// Try runs a command in the machine, as its root, and returns what it wrote. It ends
// with the machine. A machine without power or frozen runs none: that is an error.
func (m *Machine) Try(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return m.try(ctx, command...)
}

// Run is Try of a command that must succeed.
func (m *Machine) Run(command ...string) string {
	m.lab.t.Helper()
	out, err := m.Try(command...)
	if err != nil {
		m.lab.t.Fatal(err)
	}
	return out
}

func (m *Machine) try(ctx context.Context, command ...string) (string, error) {
	if m.first == 0 {
		return "", fmt.Errorf("%s has no power", m.name)
	}
	if m.cgroup.is("frozen 1") { // a process can't even begin in there
		return "", fmt.Errorf("%s is frozen", m.name)
	}
	place, err := os.Open(string(m.cgroup))
	if err != nil {
		return "", err
	}
	defer place.Close()
	args := append([]string{"--target", strconv.Itoa(m.first), "--all", "--"}, command...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG=C.UTF-8", "HOME=/root"}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(place.Fd())}
	cmd.WaitDelay = time.Second // something it started may hold the output open
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %s: %w: %s", m.name, strings.Join(command, " "),
			errors.Join(err, ctx.Err()), strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// Systemctl runs systemctl, which must succeed.
func (m *Machine) Systemctl(args ...string) string {
	m.lab.t.Helper()
	return m.Run(append([]string{"systemctl"}, args...)...)
}

// Begin starts vipd where Idle kept it from starting, now and at each boot.
func (m *Machine) Begin() {
	m.lab.t.Helper()
	m.Systemctl("enable", "--now", daemonUnit)
}

// Property is one property of a unit, as systemctl shows it.
func (m *Machine) Property(unit, name string) string {
	m.lab.t.Helper()
	return strings.TrimSpace(m.Systemctl("show", "--value", "--property="+name, unit))
}

// Journal is what a unit wrote on all boots, one message per line.
func (m *Machine) Journal(unit string) string {
	m.lab.t.Helper()
	return m.Run("journalctl", "--unit="+unit, "--no-pager", "--output=cat")
}

// Status is what the machine's vipd knows, by vipd status --json.
func (m *Machine) Status() (s control.Status, err error) {
	out, err := m.Try("vipd", "status", "--json")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(out), &s)
}

// Holds says whether the machine's vipd calls itself a holder of the token.
func (m *Machine) Holds(token string) bool {
	s, err := m.Status()
	if err != nil {
		return false
	}
	for _, t := range s.Tokens {
		if t.Name == token {
			return t.State == "active"
		}
	}
	return false
}
