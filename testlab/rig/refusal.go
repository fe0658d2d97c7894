package rig

import (
	"os"
	"strings"
)

// Refusal is the host's answer when private namespaces can't be made.
type Refusal struct {
	Reason error // what the kernel said
}

func (r *Refusal) Unwrap() error { return r.Reason }

// Error gives the kernel's reason and how an administrator may allow it.
func (r *Refusal) Error() string {
	return "this host refuses private namespaces (" + r.Reason.Error() + "): " +
		strings.Join(remedies(settingOf), ", ") + ", or use sudo"
}

// obstacles are the kernel settings that forbid an ordinary user's namespaces.
var obstacles = []struct {
	setting string // below /proc/sys
	forbids string // the value that forbids
	remedy  string
}{
	{setting: "kernel/unprivileged_userns_clone", forbids: "0",
		remedy: "allow it with sysctl -w kernel.unprivileged_userns_clone=1"},
	{setting: "kernel/apparmor_restrict_unprivileged_userns", forbids: "1",
		remedy: "allow it with sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
	{setting: "user/max_user_namespaces", forbids: "0",
		remedy: "allow it with sysctl -w user.max_user_namespaces=15000"},
	{setting: "user/max_net_namespaces", forbids: "0",
		remedy: "allow it with sysctl -w user.max_net_namespaces=15000"},
}

// remedies lists what to change, by the settings that stand in the way. When none
// does, it is the doing of a container's or a service's system call filter.
func remedies(setting func(string) string) []string {
	var found []string
	for _, o := range obstacles {
		if setting(o.setting) == o.forbids {
			found = append(found, o.remedy)
		}
	}
	if found == nil {
		return []string{"a container or a system call filter forbids it, start outside of it"}
	}
	return found
}

// settingOf reads a kernel setting; one that doesn't exist is empty.
func settingOf(name string) string {
	value, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(value))
}

// inUserNamespace says whether this process's user ids are mapped, so that its root is
// root of the private namespaces only.
func inUserNamespace() bool {
	ids, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(ids)), " ") != "0 0 4294967295"
}
