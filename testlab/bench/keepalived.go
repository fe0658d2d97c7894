package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"vipd/testlab/pair"
	"vipd/testlab/rig"
)

// keepalivedUsual is keepalived as it is found in the field: VRRPv3, one advertisement
// a second, everything else left out.
func keepalivedUsual(path string) subject {
	return keepalived(path, "keepalived", time.Second, "")
}

// keepalivedBest is keepalived with the shortest advertisement interval that VRRPv3 can
// say, 10 ms, realtime priority, locked memory and no pauses between announcements.
func keepalivedBest(path string) subject {
	return keepalived(path, "keepalived best", 10*time.Millisecond, `
	vrrp_rt_priority 50
	vrrp_no_swap
	vrrp_garp_master_delay 1
	vrrp_garp_master_repeat 5
	vrrp_garp_interval 0
`)
}

func keepalived(path, name string, interval time.Duration, global string) subject {
	write := func(node string, priority int, s scene) error {
		text := keepalivedText(node, priority, interval, global, s)
		return os.WriteFile(keepalivedFile(node), []byte(text), 0o644)
	}
	return subject{
		name: name, interval: interval,
		write: func(s scene) error {
			if err := write(pair.NameA, 200, s); err != nil {
				return err
			}
			return write(pair.NameB, 100, s)
		},
		run: func(*program) pair.Program {
			return func(node string) (rig.Process, error) {
				return rig.Process{Path: path, Args: []string{
					"--vrrp", "--dont-fork", "--log-console", "--use-file", keepalivedFile(node),
					"--pid", "/run/keepalived.pid", "--vrrp_pid", "/run/keepalived-vrrp.pid",
				}}, nil
			}
		},
		// It has no command for it: its priority is lowered and the file read again.
		move: func(_ context.Context, p *pair.Pair) error {
			if err := write(pair.NameA, 50, scene{}); err != nil {
				return err
			}
			return syscall.Kill(p.A.Daemon.Processes()[0], syscall.SIGHUP)
		},
	}
}

func keepalivedFile(node string) string { return rig.Disk + "/keepalived-" + node + ".conf" }

// keepalivedText is a node's file. Its messages go over the service LAN: VRRP knows one
// interface for an address.
func keepalivedText(node string, priority int, interval time.Duration, global string, s scene) string {
	var more strings.Builder
	if s.addresses > 0 {
		more.WriteString("	virtual_ipaddress_excluded {\n")
		for i := range s.addresses {
			fmt.Fprintf(&more, "		%s dev eth0\n", extraAddress(i))
		}
		more.WriteString("	}\n")
	}
	return fmt.Sprintf(`global_defs {
	router_id %s
	vrrp_version 3
%s}

vrrp_instance front {
	state BACKUP
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int %g
	virtual_ipaddress {
		%s dev eth0
	}
%s}
`, node, global, priority, interval.Seconds(), pair.Shared, &more)
}
