package rtnl

import (
	"testing"

	"golang.org/x/sys/unix"
)

func FuzzParseRoute(f *testing.F) {
	f.Add([]byte{unix.AF_INET, 24, 0, 0, unix.RT_TABLE_MAIN, RouteProtocol, 253, 1, 0, 0, 0, 0, 8, 0, 1, 0, 203, 0, 113, 0, 8, 0, 4, 0, 3, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := parseRoute(b); ok && (!r.Network.IsValid() || r.Index == 0) {
			t.Errorf("a route that is none: %+v", r)
		}
	})
}
