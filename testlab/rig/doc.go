// Package rig builds networks of hosts inside private kernel namespaces: the
// laboratory of every test that needs a kernel, of the demo and of the bench.
//
// It knows how to leave the host alone (re-execution in private namespaces), how to
// wire hosts to switches, how to break what it wired, and how to watch what the hosts
// answer. It never decides whether what was seen is right, and it knows nothing of
// addresses that move: hosts are kernels with cables, no more.
//
//	      lab (network, mount and pid namespaces of its own)
//	 ┌────────┐   ┌────────┐   ┌────────┐   ┌─────────┐
//	 │ hist-a │   │ hist-b │   │ client │   │ witness │    a host: one network
//	 │  eth0  │   │  eth0  │   │  eth0  │   │  eth0   │    namespace, its processes
//	 └───┬────┘   └───┬────┘   └───┬────┘   └────┬────┘
//	     │ cable      │            │             │         a port: a veth pair
//	┌────┴────────────┴────────────┴─────────────┴─────┐
//	│ switch: a bridge in a namespace of its own;      │    faults are nftables rules
//	│ faults live on its ports                         │    on the bridge's ports
//	└──────────────────────────────────────────────────┘
//
// Everything is netlink and system calls from Go; no other program is started. All of
// it vanishes with the process, whichever way that ends.
package rig
