package rig

import (
	"errors"
	"strings"
	"testing"
)

func TestRefusalSaysHowToAllowIt(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]string
		want     []string
		without  string
	}{
		{"Debian", map[string]string{"kernel/unprivileged_userns_clone": "0"},
			[]string{"kernel.unprivileged_userns_clone=1", "sudo"}, "apparmor"},
		{"Ubuntu", map[string]string{"kernel/apparmor_restrict_unprivileged_userns": "1", "kernel/unprivileged_userns_clone": "1"},
			[]string{"kernel.apparmor_restrict_unprivileged_userns=0", "sudo"}, "userns_clone"},
		{"none left", map[string]string{"user/max_user_namespaces": "0", "user/max_net_namespaces": "0"},
			[]string{"user.max_user_namespaces=", "user.max_net_namespaces=", "sudo"}, "container"},
		{"nothing to see", nil, []string{"container", "sudo"}, "sysctl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			setting := func(name string) string { return tt.settings[name] }
			text := refusalText(errors.New("operation not permitted"), setting)
			for _, want := range append(tt.want, "operation not permitted") {
				if !strings.Contains(text, want) {
					t.Errorf("%q doesn't say %q", text, want)
				}
			}
			if strings.Contains(text, tt.without) {
				t.Errorf("%q speaks of %q", text, tt.without)
			}
		})
	}
}

// recorder is a test that is ended by the rig.
type recorder struct {
	TB
	skipped, failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.skipped = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true }

func TestMissingMeansSkipOrFail(t *testing.T) {
	tests := []struct {
		require string
		fails   bool
	}{
		{"", false}, {"bpf", false}, {"machines,netns", true}, {"netns", true},
	}
	for _, tt := range tests {
		t.Setenv(requireVariable, tt.require)
		var r recorder
		Missing(&r, Netns, errors.New("no luck"))
		if r.failed != tt.fails || r.skipped == tt.fails {
			t.Errorf("with %q required: failed %t, skipped %t", tt.require, r.failed, r.skipped)
		}
	}
}
