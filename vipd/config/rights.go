package config

import (
	"strings"

	"vipd/host/child"
)

// rights reads what the commands of a vip or a group run with. Whether the user exists
// is each host's own matter.
func (t table) rights() (r child.Rights) {
	t.account("user", &r.User)
	t.account("group", &r.Group)
	const example = `["CAP_NET_ADMIN"]`
	r.Capabilities = t.list("capabilities", "capabilities", example, len(child.CapabilityNames()))
	at := t.at.find("capabilities")
	for i, name := range r.Capabilities {
		switch _, known := child.Capability(name); {
		case name == "" || known: // an empty one was refused by list
		case name == child.All && len(r.Capabilities) == 1:
		case name == child.All:
			t.wrongItem("capabilities", i, "%q stands alone: it is every capability of the daemon", name)
		default:
			t.refuse(at.item(i), at.path, `"`+name+`" is no capability; expected names as in `+example+`, or ["all"]`, nearest(name, child.CapabilityNames()))
		}
	}
	return r
}

// account reads the name or number of a user or group.
func (t table) account(key string, into *string) {
	var name string
	if !t.text(key, "vipd", &name) {
		return
	}
	for _, r := range name {
		if !bare(r) && r != '.' && r != '@' && r != '$' {
			t.wrong(key, "%q is no name or number of a %s", name, key)
			return
		}
	}
	*into = name
}

// withoutCommands warns of rights that no command has.
func (t table) withoutCommands(some bool, what string) {
	if some {
		return
	}
	for _, key := range []string{"user", "group", "capabilities"} {
		if t.has(key) {
			at := t.at.find(key)
			t.warn(at.value, at.path, "has no effect: it is for "+what+", of which there is none here")
			return
		}
	}
}

// isCommand reports whether a unit or check is a program that vipd runs.
func isCommand(text string) bool { return strings.HasPrefix(text, execPrefix) }

// targets lists what the checks ask.
func (g Group) targets() (list []string) {
	for _, c := range g.Checks {
		list = append(list, c.Target)
	}
	return list
}
