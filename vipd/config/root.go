package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// settings reads every table; each problem is noted and the rest goes on.
func (root table) settings() Settings {
	root.only("cluster", "key_file", "node", "vip", "group", "heartbeat", "multicast", "expert")
	s := Settings{
		Cluster:   root.cluster(),
		KeyFile:   root.keyFile(),
		Nodes:     root.nodes(),
		Heartbeat: root.heartbeat(),
		Multicast: root.multicast(),
	}
	var usual pace
	s.StartWait, usual = root.expert(s.Heartbeat)
	s.Groups = root.groups(s.Nodes, usual)
	s.VIPs = root.vips(s.Nodes, s.Groups)
	root.compare(s)
	return s
}

func (root table) cluster() (name string) {
	root.need("cluster", `name the cluster: cluster = "plant1"`)
	if root.text("cluster", "plant1", &name) && !validName(name) {
		root.wrong("cluster", "%q is no name; %s", name, nameRule)
	}
	return name
}

func (root table) keyFile() (path string) {
	root.need("key_file", `name the file with the cluster's key: key_file = "/etc/vipd/key"`)
	if root.text("key_file", "/etc/vipd/key", &path) && !filepath.IsAbs(path) {
		root.wrong("key_file", "%q is not absolute; begin it with /", path)
	}
	return path
}

const nameRule = "letters, digits, dot, underscore and hyphen, at most 63, the first a letter or digit"

// validName tells whether s may name a cluster, a node, a vip or a group.
func validName(s string) bool {
	if s == "" || len(s) > 63 || strings.IndexByte("._-", s[0]) >= 0 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !bare(r) && r != '.' })
}

// named refuses a table of a node, vip or group whose name is none.
func (t table) named(name, what string) {
	if !validName(name) {
		t.refuse(t.at.key, t.at.path, "no name for a "+what+"; "+nameRule, "")
	}
}

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
