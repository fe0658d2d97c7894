package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestLimits: as many as the bound are taken, one more is refused.
func TestLimits(t *testing.T) {
	several := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, i/250, i%250+1)
		}
		return b.String()
	}
	onVIP := func(list string) string { return small + list }
	for _, c := range []struct {
		name string
		most int
		text func(n int) string
		want string
	}{
		{"nodes", MaxNodes, func(n int) string {
			return badHead + several(n, "[node.n%02d]\naddresses = [\"10.0.%d.%d\"]\n")
		}, "vipd.toml:3:2: node: 33 nodes are too many; at most 32"},
		{"tokens", MaxTokens, func(n int) string {
			return strings.TrimSuffix(small, badVIP) + several(n, "[vip.v%d]\naddress = \"10.0.%d.%d\"\n")
		}, "vipd.toml:8:2: vip: 1001 tokens are too many; at most 1000"},
		{"addresses", MaxAddresses, func(n int) string {
			return strings.TrimSuffix(small, badVIP) + "[vip.v]\naddresses = [\n" + several(n, "\"192.1%[2]d.0.%[3]d\",\n") + "]\n"
		}, "vipd.toml:74:1: vip.v.addresses: 65 addresses are too many; at most 64"},
		{"neighbours", MaxProve, func(n int) string {
			return onVIP("prove = [\n" + several(n, "\"192.1%[2]d.0.%[3]d\",\n") + "]\n")
		}, "vipd.toml:19:1: vip.v.prove: 9 addresses are too many; at most 8"},
		{"commands", MaxHooks, func(n int) string {
			return onVIP("on_active = [\n" + several(n, "\"/bin/a %[1]d\",\n") + "]\n")
		}, "vipd.toml:27:1: vip.v.on_active: 17 commands are too many; at most 16"},
		{"tokens with a group", MaxTokens - 1, func(n int) string {
			return strings.TrimSuffix(small, badVIP) + several(n, "[vip.v%d]\naddress = \"10.0.%d.%d\"\n") +
				"[group.g]\nunits = [\"a.service\"]\n"
		}, "vipd.toml:2008:2: group: 1001 tokens are too many; at most 1000"},
		{"groups", MaxGroups, func(n int) string {
			return onVIP(several(n, "[group.g%d]\nunits = [\"g%[1]d.service\"]\n # %d %d\n"))
		}, "vipd.toml:10:2: group: 257 groups are too many; at most 256"},
		{"units", MaxUnits, func(n int) string {
			return onVIP("[group.g]\nunits = [\n" + several(n, "\"g%[1]d.service\",\n") + "]\n")
		}, "vipd.toml:28:1: group.g.units: 17 units are too many; at most 16"},
		{"checks", MaxChecks, func(n int) string {
			return onVIP("[group.g]\nunits = [\"a.service\"]\ncheck = [\n" + several(n, "\"tcp://127.0.%[2]d.%[3]d:1\",\n") + "]\n")
		}, "vipd.toml:29:1: group.g.check: 17 checks are too many; at most 16"},
		{"groups before", MaxNamed, func(n int) string {
			return onVIP(several(n, "[group.g%d]\nunits = [\"g%[1]d.service\"]\n # %d %d\n") +
				"[group.last]\nunits = [\"last.service\"]\nafter = [\n" + several(n, "\"g%[1]d\",\n") + "]\n")
		}, "vipd.toml:80:1: group.last.after: 17 groups are too many; at most 16"},
		{"name", 63, func(n int) string {
			return strings.Replace(small, "plant1", strings.Repeat("x", n), 1)
		}, fmt.Sprintf("vipd.toml:1:11: cluster: %q is no name; %s", strings.Repeat("x", 64), nameRule)},
	} {
		if _, err := Parse("vipd.toml", []byte(c.text(c.most))); err != nil {
			t.Errorf("%s: %d are refused: %v", c.name, c.most, err)
		}
		if _, err := Parse("vipd.toml", []byte(c.text(c.most+1))); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}
