package rig

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Without runs f in the host on a thread that has lost the capabilities, and ends with it.
func Without(t *testing.T, h *Host, f func(), lost ...int) {
	t.Helper()
	err := h.Do(func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		if err := unix.Capget(&header, &sets[0]); err != nil {
			return err
		}
		before := sets
		for _, c := range lost {
			sets[c/32].Effective &^= 1 << (c % 32)
		}
		if err := unix.Capset(&header, &sets[0]); err != nil {
			return err
		}
		f()
		return unix.Capset(&header, &before[0])
	})
	if err != nil {
		t.Fatal(err)
	}
}
