package machines

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// Machine is one machine: hardware, a disk that outlives power cuts, and, with power, a
// systemd that has booted from it.
type Machine struct {
	Service *rig.Port // of this boot
	Other   *rig.Port // on the redundancy cable; nil for one that has none

	lab     *Lab
	name    string
	disk    string // directory of the overlay's parts
	below   string // the overlay's layers under the machine's own
	cgroup  cgroup
	console console

	host  *rig.Host // nil without power
	first int       // process 1, as this process counts
}

func newMachine(l *Lab, name string, number int64, disk, below string) *Machine {
	return &Machine{
		lab: l, name: name, disk: disk, below: below,
		cgroup: home.cgroup.sub(fmt.Sprintf("%s-%d", name, number)),
	}
}

// Name is the machine's host name.
func (m *Machine) Name() string { return m.name }

// Host is the machine's hardware of this boot, nil without power.
func (m *Machine) Host() *rig.Host { return m.host }

// own is the machine's own layer of its disk.
func (m *Machine) own() string { return filepath.Join(m.disk, "own") }

// Boot switches the machine on, after Kill, and returns when it is running.
func (m *Machine) Boot() {
	m.lab.t.Helper()
	m.powerOn()
	if err := m.start(); err != nil {
		m.lab.t.Fatal(err)
	}
}

// powerOn gives the machine its hardware, and a service that tells clients its name.
func (m *Machine) powerOn() {
	place := places[m.name]
	m.host = m.lab.Rig.Host(m.name)
	m.Service = m.host.Plug(m.lab.Rig.Switch("service"), "eth0", netip.MustParsePrefix(place[0]))
	if place[1] != "" {
		m.Other = m.host.Plug(m.lab.Rig.Switch("redundancy"), "eth1", netip.MustParsePrefix(place[1]))
	}
	m.host.Respond(port)
}

// start boots a machine that has hardware.
func (m *Machine) start() error {
	if err := m.cgroup.make(); err != nil {
		return err
	}
	root := filepath.Join(m.disk, "root")
	if err := m.host.Do(func() error { return m.mount(root) }); err != nil {
		return fmt.Errorf("mount the disk of %s: %w", m.name, err)
	}
	if _, err := m.host.Start(m.nspawn(root)); err != nil {
		return err
	}
	return m.awaitRunning()
}

// mount puts the disk together, in the mounts of this boot.
func (m *Machine) mount(root string) error {
	work := filepath.Join(m.disk, "work")
	for _, directory := range []string{root, work, m.own()} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
	}
	if _, err := os.Stat(string(m.cgroup)); err != nil { // the rig shows a host no control groups but its own
		if err := unix.Unmount(filepath.Dir(string(home.cgroup)), unix.MNT_DETACH); err != nil {
			return fmt.Errorf("uncover the control groups: %w", err)
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", m.below, m.own(), work)
	return unix.Mount("overlay", root, "overlay", 0, layers)
}

// capabilities are what a machine may beside the container's usual: its own network,
// programs in the kernel, locked memory. The clock is not among them.
const capabilities = "CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON,CAP_IPC_LOCK"

// nspawn is what boots the machine, in its own control group from its first step on.
func (m *Machine) nspawn(root string) rig.Process {
	into := `echo $$ > "$0" && exec "$@"`
	return rig.Process{
		Path: "/bin/sh",
		Args: []string{"-c", into, filepath.Join(string(m.cgroup), "cgroup.procs"),
			"systemd-nspawn", "--quiet", "--boot", "--directory=" + root,
			"--machine=" + m.name, "--hostname=" + m.name, "--register=no", "--keep-unit",
			"--network-namespace-path=/proc/self/ns/net", "--capability=" + capabilities,
			"--system-call-filter=bpf", "--bind=/sys/fs/bpf", "--console=pipe",
			"--link-journal=no", "--resolv-conf=off", "--timezone=off", "--kill-signal=SIGRTMIN+3"},
		Stdout: &m.console, Stderr: &m.console,
	}
}

// awaitRunning waits until systemd calls the machine running.
func (m *Machine) awaitRunning() error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if !wait(ctx, m.findFirst) {
		return fmt.Errorf("%s: no process 1 after %v; console:\n%s", m.name, limit, m.console.String())
	}
	state := "nothing"
	if wait(ctx, func() bool {
		out, err := m.try(ctx, "systemctl", "is-system-running", "--wait")
		state = strings.TrimSpace(out)
		return err == nil || state == "degraded"
	}) && state == "running" {
		return nil
	}
	failed, _ := m.Try("systemctl", "--failed", "--no-legend", "--plain")
	return fmt.Errorf("%s says %q of itself, not running; failed are:\n%s\nconsole:\n%s", m.name, state, failed, m.console.String())
}

// findFirst finds process 1: systemd puts itself into a group of that name.
func (m *Machine) findFirst() bool {
	text, err := os.ReadFile(string(m.cgroup.sub("payload/init.scope/cgroup.procs")))
	if err != nil {
		return false
	}
	_, err = fmt.Sscan(string(text), &m.first)
	return err == nil
}

// Kill cuts the machine's power: no frame of it passes any more, then all of it ends at
// one moment. Its disk stays.
func (m *Machine) Kill() {
	m.lab.t.Helper()
	if err := m.powerOff(); err != nil {
		m.lab.t.Fatalf("cut the power of %s: %v", m.name, err)
	}
}

func (m *Machine) powerOff() error {
	if m.host == nil {
		return nil
	}
	for _, p := range []*rig.Port{m.Service, m.Other} {
		if p != nil {
			defer p.Isolate()()
		}
	}
	killed := m.cgroup.kill()
	m.host.Destroy()
	m.host, m.first = nil, 0
	return errors.Join(killed, m.cgroup.end())
}

// Freeze stops every process of the machine; its kernel and its cards go on.
func (m *Machine) Freeze() {
	m.lab.t.Helper()
	if err := m.cgroup.freeze(); err != nil {
		m.lab.t.Fatal(err)
	}
}

// Thaw lets a frozen machine go on.
func (m *Machine) Thaw() {
	m.lab.t.Helper()
	if err := m.cgroup.thaw(); err != nil {
		m.lab.t.Fatal(err)
	}
}
