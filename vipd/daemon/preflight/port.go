package preflight

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"vipd/multicast"
	"vipd/vipd/control"
)

// PathText says in words for an operator why a path can't be opened.
func PathText(o multicast.Options, err error) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Sprintf("UDP port %d of %s is in use by %s: end that program, or give the cluster another [multicast] port on every node", o.Port, o.Local, portOwner(o.Port))
	case errors.Is(err, unix.EACCES):
		held, failed := capabilitiesOf("thread-self")
		if o.Port < lowestFree && (failed != nil || held&(1<<unix.CAP_NET_BIND_SERVICE) == 0) {
			return fmt.Sprintf("UDP port %d of %s: CAP_NET_BIND_SERVICE is missing, which ports below %d need; add it to the service's AmbientCapabilities, or take a port from %d on", o.Port, o.Local, lowestFree, lowestFree)
		}
		return fmt.Sprintf("UDP port %d of %s is refused by this host's security policy: %v", o.Port, o.Local, err)
	}
	return err.Error()
}

// lowestFree is the first port that needs no right, ip_unprivileged_port_start(7) aside.
const lowestFree = 1024

// PathCode is the exit code of a daemon none of whose paths can be opened;
// control.CodeFailed where it is to wait for the network instead.
func PathCode(err error) int {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return control.CodeHeld
	case errors.Is(err, unix.EACCES):
		return control.CodePermission
	}
	return control.CodeFailed
}

// portOwner names the program that has the UDP port, as far as /proc shows it.
func portOwner(port uint16) string {
	sockets := map[string]bool{}
	for _, table := range []string{"udp", "udp6"} {
		udpSockets("/proc/thread-self/net/"+table, port, sockets)
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	self := fmt.Sprintf("/proc/%d/", os.Getpid())
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !sockets[target] || strings.HasPrefix(link, self) {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		name, _ := os.ReadFile(dir + "/comm")
		return fmt.Sprintf("%q (pid %s)", strings.TrimSpace(string(name)), filepath.Base(dir))
	}
	return "another program"
}

// udpSockets adds the sockets of a table of /proc/net that have the port, in the form in
// which a process's descriptors name them.
//
//	sl local_address rem_address st tx:rx tr:tm->when retrnsmt uid timeout inode …
func udpSockets(table string, port uint16, sockets map[string]bool) {
	file, err := os.Open(table)
	if err != nil {
		return
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && uint16(n) == port {
			sockets["socket:["+fields[9]+"]"] = true
		}
	}
}
