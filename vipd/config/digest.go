package config

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"vipd/host/child"
)

// Digest is a hash of what the nodes of a cluster must agree on. It stays the same when only the text changes
// (comments, order, another way to write a value), and does not include KeyFile, which is each host's own matter.
func (s Settings) Digest() uint64 {
	sum := sha256.Sum256([]byte(s.meaning()))
	return binary.BigEndian.Uint64(sum[:8])
}

// DigestText is the digest as 16 hexadecimal digits, the form that people compare.
func (s Settings) DigestText() string { return fmt.Sprintf("%016x", s.Digest()) }

// meaning writes each setting on a line of its own; strings are quoted, so that no value can pass for two.
func (s Settings) meaning() string {
	var b strings.Builder
	fmt.Fprintf(&b, "vipd configuration 1\ncluster %q\n", s.Cluster)
	fmt.Fprintf(&b, "heartbeat %d %d\n", s.Heartbeat.Interval, s.Heartbeat.Tolerance)
	fmt.Fprintf(&b, "multicast %s %s %d %d\n", s.Multicast.Group4, s.Multicast.Group6, s.Multicast.Port, s.Multicast.TTL)
	fmt.Fprintf(&b, "start_wait %d\n", s.StartWait)
	for _, n := range s.Nodes {
		fmt.Fprintf(&b, "node %q %d %s %d\n", n.Name, n.Slot, n.Addresses, n.Priority)
	}
	for _, v := range s.VIPs {
		v.meaning(&b, s.Nodes)
	}
	for _, g := range s.Groups {
		g.meaning(&b, s.Nodes)
	}
	return b.String()
}

func (v VIP) meaning(b *strings.Builder, nodes []Node) {
	fmt.Fprintf(b, "vip %q %s\n", v.Name, sorted(v.Addresses, netip.Prefix.Compare))
	fmt.Fprintf(b, "prove %s\n", sorted(v.Prove, netip.Addr.Compare))
	fmt.Fprintf(b, "failback %t %d %d\n", v.AutoFailback, v.FailbackDelay, v.FailbackMaxPerHour)
	fmt.Fprintf(b, "bits %t %t\n", v.DisableInheritance, v.AllowMultiple)
	for _, n := range nodes {
		fmt.Fprintf(b, "on %q %d\n", n.Name, v.Priority(n))
	}
	for _, name := range slices.Sorted(maps.Keys(v.Interface)) {
		fmt.Fprintf(b, "interface %q %q\n", name, v.Interface[name])
	}
	fmt.Fprintf(b, "hooks %q %q %d\n", v.OnActive, v.OnStandby, v.HookTimeout)
	rightsMeaning(b, v.Rights)
	if len(v.Requires) > 0 { // so that a file without groups keeps the digest it always had
		fmt.Fprintf(b, "requires %q\n", slices.Sorted(slices.Values(v.Requires)))
	}
}

func (g Group) meaning(b *strings.Builder, nodes []Node) {
	fmt.Fprintf(b, "group %q %s %t %q\n", g.Name, g.Kind, g.Both, g.Units)
	for _, c := range g.Checks {
		fmt.Fprintf(b, "check %q %d %d %d %d\n", c.Target, c.Interval, c.Timeout, c.Rise, c.Fall)
	}
	fmt.Fprintf(b, "after %q with %q\n", slices.Sorted(slices.Values(g.After)), slices.Sorted(slices.Values(g.With)))
	rightsMeaning(b, g.Rights)
	fmt.Fprintf(b, "times %d %d\n", g.StopTimeout, g.StartGrace)
	fmt.Fprintf(b, "restart %d %d\n", g.Restart.Attempts, g.Restart.Within)
	fmt.Fprintf(b, "failback %t %d %d %t\n", g.AutoFailback, g.FailbackDelay, g.FailbackMaxPerHour, g.DisableInheritance)
	for _, n := range nodes {
		fmt.Fprintf(b, "on %q %d\n", n.Name, g.Priority(n))
	}
}

// rightsMeaning writes nothing for commands that get none, so that a file without rights keeps the digest it always had.
func rightsMeaning(b *strings.Builder, r child.Rights) {
	if r.User != "" || r.Group != "" || len(r.Capabilities) > 0 {
		fmt.Fprintf(b, "rights %q %q %q\n", r.User, r.Group, slices.Sorted(slices.Values(r.Capabilities)))
	}
}

func sorted[T any](all []T, compare func(a, b T) int) []T {
	return slices.SortedFunc(slices.Values(all), compare)
}
