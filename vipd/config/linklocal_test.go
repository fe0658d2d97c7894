package config

import (
	"strings"
	"testing"
)

// A link-local address may be shared on several interfaces, once on each of a node's.
func TestLinkLocalPerInterface(t *testing.T) {
	gateway := func(name, where string) string {
		return "[vip." + name + "]\naddress = \"fe80::1/64\"\ninterface = " + where + "\n"
	}
	for _, row := range []struct{ first, second, wrong string }{
		{`"eth0"`, `"eth1"`, ""},
		{`{ a = "eth0", b = "eth1" }`, `{ a = "eth1", b = "eth0" }`, ""},
		{`"eth0"`, `"eth0"`, "vip.gw1.address: fe80::1 is an address of vip gw0 already"},
		{`{ a = "eth0", b = "eth1" }`, `{ a = "eth1", b = "eth1" }`, "vip.gw1.address: fe80::1 is an address of vip gw0 already"},
	} {
		_, err := Parse("vipd.toml", []byte(small+gateway("gw0", row.first)+gateway("gw1", row.second)))
		switch {
		case row.wrong == "" && err != nil:
			t.Errorf("%s and %s: %v", row.first, row.second, err)
		case row.wrong != "" && (err == nil || !strings.Contains(err.Error(), row.wrong)):
			t.Errorf("%s and %s: %v, want %s", row.first, row.second, err, row.wrong)
		}
	}
}
