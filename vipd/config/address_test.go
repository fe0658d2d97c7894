package config

import (
	"strings"
	"testing"
)

// TestSharedAddresses: every address that a host of the given network can have may be shared.
func TestSharedAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.10/24":                    "192.0.2.10/24",
		"192.0.2.10":                       "192.0.2.10/32",
		"192.0.2.10/32":                    "192.0.2.10/32",
		"192.0.2.10/31":                    "192.0.2.10/31", // both ends of RFC 3021
		"192.0.2.9/31":                     "192.0.2.9/31",
		"10.0.0.255/16":                    "10.0.0.255/16", // the last of a /24, not of its own network
		"10.0.1.0/16":                      "10.0.1.0/16",
		"2001:db8::/127":                   "2001:db8::/127", // RFC 6164
		"2001:db8::/128":                   "2001:db8::/128",
		"2001:DB8:0::A/64":                 "2001:db8::a/64",
		"2001:db8::ffff:ffff:ffff:ffff/64": "2001:db8::ffff:ffff:ffff:ffff/64", // IPv6 has no broadcast
	} {
		s := parse(t, strings.Replace(small, "192.0.2.10/24", text, 1))
		if got := s.VIPs[0].Addresses[0].String(); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}
