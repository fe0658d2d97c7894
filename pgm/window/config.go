package window

import "time"

// ReceiveConfig shapes a receive window. Zero fields take the defaults. First
// waits shrink to what repairs are seen to take, at least a quarter of these.
type ReceiveConfig struct {
	Packets     int           // RXW_SQNS: packets held at once, best as many as the source keeps; default 8192
	BackOff     time.Duration // NAK_BO_IVL: the longest random wait before a NAK; 0 asks at once
	NCFWait     time.Duration // NAK_RPT_IVL: longest first wait for an NCF, doubled up to 16 times; default 5 ms
	DataWait    time.Duration // NAK_RDATA_IVL: longest first wait for RDATA, doubled up to 16 times; default 5 ms
	NCFRetries  int           // NAK_NCF_RETRIES; default 100, at most 255
	DataRetries int           // NAK_DATA_RETRIES; default 100, at most 255
	MaxAPDU     int           // octets of the longest message; default and at most 65535
	MaxFragment int           // fragments of one message; default 65535, OpenPGM has 16
	Seed        uint64        // of the random back-off
}

// withDefaults fills in what is zero.
func (c ReceiveConfig) withDefaults() ReceiveConfig {
	orInt := func(v *int, d, most int) {
		if *v <= 0 {
			*v = d
		}
		*v = min(*v, most)
	}
	orInt(&c.Packets, 8192, maxWindow)
	orInt(&c.NCFRetries, 100, 255)
	orInt(&c.DataRetries, 100, 255)
	orInt(&c.MaxAPDU, maxAPDU, maxAPDU)
	orInt(&c.MaxFragment, maxAPDU, maxAPDU)
	if c.NCFWait <= 0 {
		c.NCFWait = 5 * time.Millisecond
	}
	if c.DataWait <= 0 {
		c.DataWait = 5 * time.Millisecond
	}
	return c
}

const (
	// maxWindow bounds windows, ours and those we believe others to have.
	maxWindow = 1 << 20
	// numbersPerPacket is how many numbers a window looks after for each packet
	// it may hold.
	numbersPerPacket = 4
	// firstSlots is how many numbers a window has memory for at first.
	firstSlots = 16
	// maxAPDU is the longest message in octets.
	maxAPDU = 65535
	// maxAhead is how many numbers a session may leap without being doubted:
	// a minute at 280 000 packets a second.
	maxAhead = 1 << 24
	// farRun is how many packets in a row must lie beyond maxAhead before the
	// session is believed to be there.
	farRun = 64
	// doublings bounds how often a wait is doubled: 1.25 ms grow to 80 ms.
	doublings = 6
)
