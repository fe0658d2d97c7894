// Package packet knows the octets of PGM (RFC 3208 sections 8 and 9 and the
// appendices): every packet type, every option, network layer addresses of
// both families and the checksum. It turns octets into a Packet and back.
//
// It never opens a socket, never reads a clock and keeps no state; what a
// packet means for a window is the business of pgm/window.
//
// Every packet starts with the same 16 octets, in network order:
//
//	0        2        4      5         6          8        14       16
//	+--------+--------+------+---------+----------+--------+--------+------+---------+---------+
//	| source | dest   | type | options | checksum | GSI    | TSDU   | body | options | payload |
//	| port   | port   |      | flags   |          |        | length |      |         |         |
//	+--------+--------+------+---------+----------+--------+--------+------+---------+---------+
//
// Downstream packets (SPM, POLL, ODATA, RDATA, NCF) carry the source's port
// first; upstream packets (NAK, NNAK, SPMR, POLR, ACK) carry the two swapped.
package packet
