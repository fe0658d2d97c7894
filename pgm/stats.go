package pgm

import (
	"net/netip"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// SenderStats counts what a sender did and heard.
type SenderStats struct {
	Messages uint64 `json:"messages"` // taken by Send
	Packets  uint64 `json:"packets"`  // ODATA
	Octets   uint64 `json:"octets"`   // of payload in ODATA
	Repairs  uint64 `json:"repairs"`  // RDATA
	Unheard  uint64 `json:"unheard"`  // packets repaired many times, as if no copy arrived
	SPMs     uint64 `json:"spms"`
	NCFs     uint64 `json:"ncfs"`
	NAKs     uint64 `json:"naks"` // packets, each with up to 63 numbers
	SPMRs    uint64 `json:"spmrs"`
	Blocked  uint64 `json:"blocked"` // times that known receivers held the sender up, each from beginning to end

	ForeignNAKs uint64                `json:"foreign_naks"` // for another source address or group, or for parity
	OutsideNAKs uint64                `json:"outside_naks"` // numbers outside the window
	CappedNAKs  uint64                `json:"capped_naks"`  // numbers over the receiver's RepairRate
	OtherPort   uint64                `json:"other_port"`   // packets for another data port
	Relayed     uint64                `json:"relayed"`      // packets passed on to other senders of this host
	Ignored     uint64                `json:"ignored"`      // packets of types that are not acted on
	NotOpened   uint64                `json:"not_opened"`   // packets that the seal does not open
	Refused     uint64                `json:"refused"`      // datagrams the network refused to take
	Faults      [packet.Faults]uint64 `json:"-"`            // packets that could not be read, by packet.Fault

	Overrun uint64 `json:"overrun"` // SPMs and NCFs not sent, as too many waited for a slow link

	Window    int                `json:"window"` // packets in the window now
	Receivers []ReceiverProgress `json:"receivers"`
}

// ReceiverProgress is what a known receiver said last.
type ReceiverProgress struct {
	Receiver netip.AddrPort `json:"receiver"`
	Heard    bool           `json:"heard"`    // it has said something
	Next     packet.Seq     `json:"next"`     // oldest number it still needs
	Acked    packet.Seq     `json:"acked"`    // oldest number it has not acknowledged
	Behind   int            `json:"behind"`   // packets between that and what was sent last
	Lost     uint64         `json:"lost"`     // packets it has reported lost
	Left     bool           `json:"left"`     // left behind
	Departed bool           `json:"departed"` // has said goodbye
}

// Stats returns the counts so far.
func (s *Sender) Stats() SenderStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Window = s.w.Next().From(s.w.Trail())
	for i, r := range s.known.receivers {
		p, left := s.flow.Progress(i)
		if r.removed {
			continue
		}
		st.Receivers = append(st.Receivers, ReceiverProgress{Receiver: r.at, Heard: r.heard, Next: p.Next, Acked: p.Acked(),
			Behind: s.w.Next().From(p.Next), Lost: p.Lost, Left: left, Departed: s.flow.Gone(i)})
	}
	return st
}

// ReceiverStats counts what a receiver heard and did.
type ReceiverStats struct {
	Messages uint64 `json:"messages"` // handed on
	Octets   uint64 `json:"octets"`   // of messages handed on
	Packets  uint64 `json:"packets"`  // ODATA and RDATA
	Repairs  uint64 `json:"repairs"`  // RDATA
	SPMs     uint64 `json:"spms"`
	NCFs     uint64 `json:"ncfs"`
	NAKs     uint64 `json:"naks"`     // packets sent
	Asked    uint64 `json:"asked"`    // numbers asked for
	SPMRs    uint64 `json:"spmrs"`    // sent
	Lost     uint64 `json:"lost"`     // packets reported lost
	Holes    uint64 `json:"holes"`    // in how many runs
	Restarts uint64 `json:"restarts"` // sources that began again
	Stalls   uint64 `json:"stalls"`   // sources that were heard without their data
	Evicted  uint64 `json:"evicted"`  // sessions forgotten for the sake of new ones

	EventsLost uint64 `json:"events_lost"` // that the program did not read

	OtherPort uint64                  `json:"other_port"` // packets for another data port
	TooMany   uint64                  `json:"too_many"`   // packets of sources beyond MaxSources
	Ignored   uint64                  `json:"ignored"`    // packets of types that are not acted on
	NotOpened uint64                  `json:"not_opened"` // packets that the seal does not open
	NotPacked uint64                  `json:"not_packed"` // messages that are not packed as the options say
	Faults    [packet.Faults]uint64   `json:"-"`          // packets that could not be read, by packet.Fault
	Verdicts  [window.Verdicts]uint64 `json:"-"`          // what the windows did with packets, by window.Verdict

	Sources int `json:"sources"` // sessions looked after now
	Waiting int `json:"waiting"` // numbers waited for now
}

// Stats returns the counts so far.
func (r *Receiver) Stats() ReceiverStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.stats
	st.Sources = len(r.sessions)
	for _, s := range r.sessions {
		st.Waiting += s.w.Live().Waiting()
	}
	return st
}

// Dropped names why packets were not used, and how many: faults and verdicts
// by their words.
func (st ReceiverStats) Dropped() map[string]uint64 {
	m := map[string]uint64{}
	faultCounts(m, st.Faults)
	for v, n := range st.Verdicts {
		if n > 0 && window.Verdict(v) != window.Kept {
			m[window.Verdict(v).String()] = n
		}
	}
	add(m, "other port", st.OtherPort)
	add(m, "too many sources", st.TooMany)
	add(m, "ignored type", st.Ignored)
	add(m, "not opened", st.NotOpened)
	add(m, "not packed", st.NotPacked)
	return m
}

// Dropped names why packets were not used, and how many.
func (st SenderStats) Dropped() map[string]uint64 {
	m := map[string]uint64{}
	faultCounts(m, st.Faults)
	add(m, "foreign NAK", st.ForeignNAKs)
	add(m, "NAK outside the window", st.OutsideNAKs)
	add(m, "NAK over the receiver's rate", st.CappedNAKs)
	add(m, "other port", st.OtherPort)
	add(m, "ignored type", st.Ignored)
	add(m, "not opened", st.NotOpened)
	return m
}

func faultCounts(m map[string]uint64, faults [packet.Faults]uint64) {
	for f, n := range faults {
		add(m, packet.Fault(f).String(), n)
	}
}

func add(m map[string]uint64, name string, n uint64) {
	if n > 0 {
		m[name] = n
	}
}
