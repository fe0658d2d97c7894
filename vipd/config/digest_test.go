package config

import (
	"strings"
	"testing"
)

// TestDigest: another text of the same meaning has the same digest.
func TestDigest(t *testing.T) {
	s := parse(t, small)
	if got, want := s.DigestText(), "5cc0624f63685df7"; got != want {
		t.Errorf("digest of the small file is %s, want %s: nodes of two builds would alarm", got, want)
	}
	for name, text := range map[string]string{
		"other key file": strings.Replace(small, "/etc/vipd/key", "/run/key", 1),
		"comments":       "# hello\n" + strings.ReplaceAll(small, "\n", " # bye\n\n"),
		"other order": "key_file = \"/k\"\ncluster = \"plant1\"\nvip.v.addresses = [\"192.0.2.10/24\"]\n" +
			"node = { b.addresses = [\"192.0.2.12\"], a = { priority = 2_00, addresses = ['192.0.2.11'] } }\n",
		"defaults":       small + "auto_failback = true\n[heartbeat]\nprofile = \"normal\"\ninterval = \"0.05s\"\n[expert]\n",
		"same priority":  small + "priorities = { a = 200 }\n",
		"no groups":      small + "requires = []\n[group]\n[expert]\nrise = 9\n",
		"both in tables": small + "interface = {}\n[multicast]\nport = 0x1B58\n",
	} {
		if got := parse(t, text); got.Digest() != s.Digest() {
			t.Errorf("%s: digest is %s, want %s", name, got.DigestText(), s.DigestText())
		}
	}
}

// TestDigestDiffers: whatever nodes could disagree about changes the digest.
func TestDigestDiffers(t *testing.T) {
	seen := map[uint64]string{parse(t, small).Digest(): "small"}
	for _, change := range [][2]string{
		{`"plant1"`, `"plant2"`},
		{`priority = 200`, `priority = 201`},
		{`priority = 200`, "priority = 200\nid = 3"},
		{`192.0.2.11`, `192.0.2.13`},
		{`192.0.2.10/24`, `192.0.2.10/25`},
		{`[vip.v]`, `[vip.w]`},
		{`[node.b]`, `[node.c]`},
		{`[vip.v]`, "[vip.v]\nauto_failback = false"},
		{`[vip.v]`, "[vip.v]\nfailback_delay = \"1s\""},
		{`[vip.v]`, "[vip.v]\nfailback_max_per_hour = 9"},
		{`[vip.v]`, "[vip.v]\ndisable_inheritance = true"},
		{`[vip.v]`, "[vip.v]\nallow_multiple = true"},
		{`[vip.v]`, "[vip.v]\ninterface = \"eth0\""},
		{`[vip.v]`, "[vip.v]\ninterface = { a = \"eth0\" }"},
		{`[vip.v]`, "[vip.v]\npriorities = { b = 300 }"},
		{`[vip.v]`, "[vip.v]\nprove = [\"192.0.2.1\"]"},
		{`[vip.v]`, "[vip.v]\non_active = [\"/bin/a b\"]"},
		{`[vip.v]`, "[vip.v]\non_active = [\"/bin/a\", \"/b\"]"},
		{`[vip.v]`, "[vip.v]\non_standby = [\"/bin/a b\"]"},
		{`[vip.v]`, "[vip.v]\nhook_timeout = \"1s\""},
		{`[vip.v]`, "[heartbeat]\ninterval = \"51ms\"\n[vip.v]"},
		{`[vip.v]`, "[heartbeat]\ntolerance = 4\n[vip.v]"},
		{`[vip.v]`, "[multicast]\ngroup = \"239.0.0.1\"\n[vip.v]"},
		{`[vip.v]`, "[multicast]\nport = 7001\n[vip.v]"},
		{`[vip.v]`, "[multicast]\nttl = 2\n[vip.v]"},
		{`[vip.v]`, "[expert]\nstart_wait = \"1s\"\n[vip.v]"},
	} {
		digest := parse(t, strings.Replace(small, change[0], change[1], 1)).Digest()
		if other, ok := seen[digest]; ok {
			t.Errorf("%q has the digest of %q", change[1], other)
		}
		seen[digest] = change[1]
	}
}

// TestDigestOfGroups: nodes that would run a group in two ways have two digests.
func TestDigestOfGroups(t *testing.T) {
	const first = "[group.f]\nunits = [\"f.service\"]\n[group.e]\nkind = \"dataserver\"\nunits = [\"e.service\"]\n"
	text := small + "requires = [\"f\"]\n" + first + "[group.g]\nunits = [\"a.service\"]\ncheck = [\"unit:a.service\"]\n"
	want := parse(t, text).Digest()
	seen := map[uint64]string{want: "text", parse(t, small).Digest(): "small"}
	for _, keys := range []string{
		`kind = "rtdb"`, `run = "both"`, `after = ["f"]`, `after = ["e"]`, `with = ["f"]`, `priorities = { b = 300 }`,
		`restart = { attempts = 1 }`, `restart = { within = "2m" }`, `stop_timeout = "9s"`, `start_grace = "9s"`,
		`check_interval = "2s"`, `check_timeout = "2s"`, `rise = 3`, `fall = 4`, `auto_failback = false`,
		`failback_delay = "1s"`, `failback_max_per_hour = 9`, `disable_inheritance = false`,
		"[group.h]\nunits = [\"b.service\"]", "[expert]\nfall = 5", "[expert]\nstart_grace = \"1s\"",
	} {
		digest := parse(t, text+keys).Digest()
		if other, ok := seen[digest]; ok {
			t.Errorf("%q has the digest of %q", keys, other)
		}
		seen[digest] = keys
	}
	for _, change := range [][2]string{
		{`"a.service"]`, `"b.service"]`}, {`"a.service"]`, `"a.service", "b.service"]`}, {`"unit:a.service"`, `"unit:b.service"`},
		{`requires = ["f"]`, `requires = ["e"]`}, {`requires = ["f"]`, `requires = ["e", "f"]`}, {"[group.g]", "[group.k]"},
	} {
		digest := parse(t, strings.Replace(text, change[0], change[1], 1)).Digest()
		if other, ok := seen[digest]; ok {
			t.Errorf("%q has the digest of %q", change[1], other)
		}
		seen[digest] = change[1]
	}
	same := text + "after = []\nfailback_delay = \"0.5m\"\nrun = \"one\"\nrise = 2\n[expert]\nfall = 3\n"
	if parse(t, same).Digest() != want {
		t.Error("the defaults, written, change the digest")
	}
	three := text + "[group.i]\nunits = [\"i.service\"]\nafter = [\"g\", \"f\"]\n"
	if turned := strings.Replace(three, `["g", "f"]`, `["f", "g"]`, 1); parse(t, three).Digest() != parse(t, turned).Digest() {
		t.Error("the order of after changes the digest")
	}
}
