// Package ether sends and receives datagrams in Ethernet frames of one EtherType on one
// interface, without IP: it works on an interface that has no address.
package ether
