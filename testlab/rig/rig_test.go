package rig_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vipd/testlab/rig"
)

var (
	addressA  = netip.MustParsePrefix("192.0.2.11/24")
	addressB  = netip.MustParsePrefix("192.0.2.12/24")
	address6A = netip.MustParsePrefix("2001:db8::11/64")
	address6B = netip.MustParsePrefix("2001:db8::12/64")
	shared    = netip.MustParsePrefix("192.0.2.10/32")
	shared6   = netip.MustParsePrefix("2001:db8::10/128")
)

// pair makes two hosts on one switch.
func pair(lab *rig.Lab) (sw *rig.Switch, a, b *rig.Port) {
	sw = lab.Switch("lan")
	a = lab.Host("hist-a").Plug(sw, "eth0", addressA, address6A)
	b = lab.Host("hist-b").Plug(sw, "eth0", addressB, address6B)
	return sw, a, b
}

// listen opens a UDP socket inside a host.
func listen(h *rig.Host, address netip.AddrPort) (socket *net.UDPConn, err error) {
	err = h.Do(func() error {
		socket, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
		return err
	})
	return socket, err
}

// exchange makes two hosts and passes a datagram from one to the other by IPv4 and IPv6.
func exchange(lab *rig.Lab) error {
	_, a, b := pair(lab)
	for _, to := range []netip.Prefix{addressB, address6B} {
		receiver, err := listen(b.Host(), netip.AddrPortFrom(to.Addr(), 7000))
		if err != nil {
			return err
		}
		defer receiver.Close()
		from := addressA
		if to.Addr().Is6() {
			from = address6A
		}
		sender, err := listen(a.Host(), netip.AddrPortFrom(from.Addr(), 0))
		if err != nil {
			return err
		}
		defer sender.Close()
		if _, err := sender.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(to.Addr(), 7000)); err != nil {
			return err
		}
		buffer := make([]byte, 16)
		receiver.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, source, err := receiver.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		if string(buffer[:n]) != "hello" || source.Addr().Unmap() != from.Addr() {
			return fmt.Errorf("got %q from %s", buffer[:n], source)
		}
	}
	return nil
}

func TestHostsSeeEachOther(t *testing.T) {
	if err := exchange(rig.Start(t)); err != nil {
		t.Error(err)
	}
}

// awaitTrue returns 0 when the condition holds within the limit, else 1.
func awaitTrue(limit time.Duration, condition func() bool) int {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if condition() {
			return 0
		}
	}
	return 1
}

// inUse says whether any process seen here is in the network namespace of that name.
func inUse(network string) bool {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, link := range links {
		if its, err := os.Readlink(link); err == nil && its == network {
			return true
		}
	}
	return false
}

// processes counts the processes seen here, with those that ended uncollected.
func processes() int {
	all, _ := filepath.Glob("/proc/[0-9]*")
	return len(all)
}

// readableCopy copies the test binary to where every user may run it.
func readableCopy(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("/run", "rig") // ours alone, and of plain permissions
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	os.Chmod(directory, 0o755)
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := filepath.Join(directory, "rig.test")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func at(prefix netip.Prefix, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(prefix.Addr(), port)
}
