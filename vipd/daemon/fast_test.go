package daemon

import (
	"errors"
	"strings"
	"testing"

	"vipd/lease"
	"vipd/vipd/config"
	"vipd/vipd/daemon/leasing"
)

// The fast profile says what it lacks, all of it.
func TestFastNeeds(t *testing.T) {
	for _, row := range []struct {
		what    string
		layer   string
		refused error
		want    []string // nil: allowed
	}{
		{"all is there", string(lease.BPF), nil, nil},
		{"no BPF", string(lease.Nftables), nil, []string{"the BPF lease (no bpf here)"}},
		{"no priority", string(lease.BPF), errors.New("nice -20: not permitted"), []string{"the right to run before others (nice -20: not permitted)"}},
		{"neither", leasing.LifetimeOnly, errors.New("nice -20: not permitted"), []string{"the BPF lease (no bpf here)", "the right to run before others"}},
	} {
		err := checkFastProfile("vipd.toml", config.Heartbeat{Profile: config.Fast}, row.layer, "no bpf here", row.refused)
		if (err == nil) != (row.want == nil) {
			t.Errorf("%s: %v", row.what, err)
		}
		for _, part := range row.want {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not say %q", row.what, err, part)
			}
		}
	}
}
