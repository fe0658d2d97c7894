// Package preflight finds out whether this host can run a daemon of the cluster, before
// anything is touched: the rights, the one instance of the network namespace, the node that
// this host is, the commands of the configuration, the owner of a port that is taken.
//
// It changes nothing on the host but the name of the instance, and it holds no state of the
// running daemon. Rights.Missing alone is asked again while the daemon runs. Refusals carry
// the exit code of package control.
//
//	ClaimInstance ─► OpenRights ─► Vet ─► ReadKeys ─► (sockets) PathText, PathCode
package preflight
