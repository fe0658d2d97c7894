package config

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"check", "addresses", "address", "interval", "ttl", "priority"}
	for word, want := range map[string]string{
		"chek": "check", "cheeck": "check", "hceck": "check", "chick": "check", "adress": "address",
		"adresses": "addresses", "prio": "priority", "TTL": "ttl", "tll": "ttl", "tt": "ttl",
		"unit": "", "port": "", "x": "", "": "", "virtual_router_id": "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}
