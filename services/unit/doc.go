// Package unit starts, stops and watches one service on this host. What it says
// of a service holds for all of its processes: stopped means that none is left,
// and a death is told when it happens, not when somebody asks.
//
//	exec:/usr/bin/scand -f        historian.service
//	      │                             │
//	  clone into                    StartUnit, StopUnit: the job's result
//	  a cgroup v2                   PropertiesChanged: death
//	      │                             │
//	 cgroup2/vipd/GROUP/UNIT        systemd's own cgroup
//	   ├─ main process ── pidfd: death, and the signal to end
//	   └─ whatever it starts ── cgroup.kill, populated 0
//
// Services outlive the daemon. A process back-end finds its running service
// again by the control group and a state file, the systemd back-end by asking:
// see Adopt.
//
// The package never decides when a service should run, how often it may be
// started again or whether it is healthy, and it runs no shell.
package unit
