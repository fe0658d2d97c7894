package packet

import (
	"encoding/binary"
	"fmt"
)

// GSI is a globally unique source identifier (RFC 3208 section 8).
type GSI [6]byte

// TSI is a transport session identifier: who sends, and which of its sessions
// this is (RFC 3208 section 3.1).
type TSI struct {
	GSI  GSI
	Port uint16 // data-source port
}

// String writes the identifier as dotted octets and a port, as other PGM
// tools do: 1.2.3.4.5.6.7500.
func (t TSI) String() string {
	g := t.GSI
	return fmt.Sprintf("%d.%d.%d.%d.%d.%d.%d", g[0], g[1], g[2], g[3], g[4], g[5], t.Port)
}

// Epoch returns the last four octets of the GSI, where a sender may have put which of its
// starts this is.
func (t TSI) Epoch() uint32 { return binary.BigEndian.Uint32(t.GSI[2:]) }
