// Package cluster translates between the names of the configuration and the numbers that
// the machines use: slots of nodes, specs of tokens and groups, addresses of vips.
//
// It reads no file, knows no state of the running daemon, and never changes a View.
package cluster
