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
func (r *Refusal) Error() string { return refusalText(r.Reason, settingOf) }

func refusalText(reason error, setting func(string) string) string {
	return "this host refuses private namespaces (" + reason.Error() + "): " +
		strings.Join(remedies(setting), ", ") + ", or use sudo"
}

// obstacles are the kernel settings, below /proc/sys, that forbid an ordinary user's
// namespaces: the value that forbids, and one that allows.
var obstacles = []struct{ setting, forbids, allows string }{
	{"kernel/unprivileged_userns_clone", "0", "1"},
	{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
	{"user/max_user_namespaces", "0", "15000"},
	{"user/max_net_namespaces", "0", "15000"},
}

// remedies lists what to change, by the settings that stand in the way. When none
// does, it is the doing of a container's or a service's system call filter.
func remedies(setting func(string) string) []string {
	var found []string
	for _, o := range obstacles {
		if setting(o.setting) == o.forbids {
			found = append(found, "allow it with sysctl -w "+strings.ReplaceAll(o.setting, "/", ".")+"="+o.allows)
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
