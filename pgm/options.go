package pgm

import (
	"fmt"
	"net/netip"
	"time"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// DefaultPort is the data-destination port others use by default.
const DefaultPort = 7500

// MaxMessage is the longest message in octets.
const MaxMessage = 65535

// SenderOptions shape a Sender. The zero value suits a fast local network.
type SenderOptions struct {
	Port       uint16     // data-destination port, default DefaultPort
	SourcePort uint16     // data-source port, default random
	GSI        packet.GSI // default made of host name and local address

	// Epoch, if not 0, stands in the last four octets of the GSI: a program that counts
	// its starts gives each a TSI of its own, and TSI.Epoch tells receivers which.
	Epoch uint32

	// First is the number of the first packet. Without it a session whose SourcePort is
	// given begins at a random number, so that a session that follows another under the
	// same TSI is never taken for its continuation, and any other one at 0.
	First *packet.Seq

	Window int           // TXW_SQNS: packets kept for repair, default 16384
	Keep   time.Duration // TXW_SECS: how long they are kept at most; 0: until room is needed
	Rate   float64       // TXW_MAX_RTE: octets a second, repairs included; 0: no limit
	Burst  float64       // octets the rate may be ahead by, default 40 ms of Rate

	SPM window.SPMConfig // default ambient 1 s, heartbeats from 10 ms to 1 s

	MaxFragments int  // of one message; 0: no limit below 64 kB; OpenPGM takes 16
	LateJoin     bool // offer the whole window to receivers that come late (OPT_JOIN)

	// Pack puts several short messages into one packet while packets wait to
	// be sent. The receivers must have it set as well: it is no part of the RFC.
	Pack bool

	// Receivers are the flow control addresses of the receivers to wait for;
	// see ReceiverOptions.Flow. LateJoin is then on.
	Receivers []netip.AddrPort

	// Flow carries what known receivers say; nil opens a UDP socket of its own
	// on the link's address. The Sender closes it.
	Flow FlowConn

	// LeaveBehind is how long one of Receivers may hold the sender up before
	// it is left behind. 0 waits for ever, or as long as Send's context does.
	LeaveBehind time.Duration

	// Seal, if not nil, seals every packet; receivers must have one like it.
	Seal Seal

	// Notify, if not nil, is told what happens to known receivers. It must not
	// block nor call the Sender.
	Notify func(Notice)

	// RepairRate is how many numbers a second one receiver may have repaired,
	// default 20000; it may save up one window of them.
	RepairRate float64

	// Linger is how long Close goes on repairing, default 2 s; with Receivers it ends
	// as soon as they have acknowledged everything, and a context with a deadline
	// counts instead.
	Linger time.Duration
}

// withDefaults fills in what is zero.
func (o SenderOptions) withDefaults() SenderOptions {
	if o.Port == 0 {
		o.Port = DefaultPort
	}
	o.Window = min(orInt(o.Window, 16384), 1<<20)
	if o.Burst == 0 {
		o.Burst = max(o.Rate*0.04, 65536)
	}
	if o.SPM == (window.SPMConfig{}) {
		o.SPM = window.SPMConfig{Ambient: time.Second, Min: 10 * time.Millisecond, Max: time.Second}
	}
	if o.MaxFragments == 0 {
		o.MaxFragments = MaxMessage
	}
	if o.RepairRate == 0 {
		o.RepairRate = 20000
	}
	if o.Linger == 0 {
		o.Linger = 2 * time.Second
	}
	o.LateJoin = o.LateJoin || len(o.Receivers) > 0
	return o
}

// check refuses what would be nonsense to carry out.
func (o SenderOptions) check() error {
	return refuse("sender", []negative{{"Window", o.Window < 0}, {"Keep", o.Keep < 0}, {"Rate", o.Rate < 0}, {"Burst", o.Burst < 0},
		{"MaxFragments", o.MaxFragments < 0}, {"LeaveBehind", o.LeaveBehind < 0}, {"RepairRate", o.RepairRate < 0}, {"Linger", o.Linger < 0}})
}

// negative says whether an option is less than nothing.
type negative struct {
	name string
	is   bool
}

func refuse(whose string, options []negative) error {
	for _, n := range options {
		if n.is {
			return fmt.Errorf("pgm: %s option %s is negative", whose, n.name)
		}
	}
	return nil
}

// ReceiverOptions shape a Receiver. The zero value suits a fast local network.
type ReceiverOptions struct {
	Port uint16 // data-destination port, default DefaultPort

	// Window holds the windows' sizes and the timing of NAKs; zero fields take
	// the defaults that window.ReceiveConfig names.
	Window window.ReceiveConfig

	MaxSources int           // sessions looked after at once, default 64
	Expiry     time.Duration // a source this silent is forgotten, default 5 min
	SPMRWait   time.Duration // longest wait for an SPM before one is asked for, default 250 ms

	Pack bool // packets hold several messages: what SenderOptions.Pack is

	// Flow is the UDP address on which this receiver tells senders that know
	// it how far it is. The zero value tells nobody.
	Flow netip.AddrPort

	// Ack says that the program acknowledges messages by Receiver.Ack: a sender that
	// knows this receiver keeps what is not acknowledged. Without it a message counts as
	// acknowledged when Receive or Next has returned it.
	Ack bool

	// Seal, if not nil, opens every packet, and seals what is sent; what it does not open
	// is dropped and counted.
	Seal Seal

	// FlowConn carries what Flow would; nil opens a UDP socket on Flow. The
	// Receiver closes it.
	FlowConn FlowConn
}

// withDefaults fills in what is zero.
func (o ReceiverOptions) withDefaults() ReceiverOptions {
	if o.Port == 0 {
		o.Port = DefaultPort
	}
	o.MaxSources = orInt(o.MaxSources, 64)
	if o.Expiry == 0 {
		o.Expiry = 5 * time.Minute
	}
	if o.SPMRWait == 0 {
		o.SPMRWait = 250 * time.Millisecond
	}
	if o.Window.Packets == 0 {
		o.Window.Packets = 16384
	}
	return o
}

// check refuses what would be nonsense to carry out.
func (o ReceiverOptions) check() error {
	return refuse("receiver", []negative{{"Window.Packets", o.Window.Packets < 0}, {"Window.BackOff", o.Window.BackOff < 0},
		{"MaxSources", o.MaxSources < 0}, {"Expiry", o.Expiry < 0}, {"SPMRWait", o.SPMRWait < 0}})
}

// Notice tells a sender what happened to one of its known receivers.
type Notice struct {
	Receiver netip.AddrPort
	Kind     NoticeKind
	At       packet.Seq // the oldest number the receiver still needs
	Lost     uint64     // packets it has reported lost in all
	Size     int        // Unheard: octets of the packet
}

// NoticeKind is the kind of a Notice.
type NoticeKind uint8

// The kinds of notices.
const (
	LeftBehind   NoticeKind = iota // the sender waits for it no longer
	CaughtUp                       // it is waited for again
	ReportedLoss                   // it reported more packets lost
	Departed                       // it has said goodbye: it is waited for no longer
	Joined                         // another receiver has begun at its address
	Unheard                        // repairs of packets of Size octets do not arrive; Receiver is not known
)

// String returns the kind's words.
func (k NoticeKind) String() string {
	return [...]string{"left behind", "caught up", "reported loss", "departed", "joined", "unheard"}[k]
}
