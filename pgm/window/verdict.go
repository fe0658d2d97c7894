package window

// Verdict says what became of a packet.
type Verdict uint8

// The verdicts.
const (
	Kept        Verdict = iota // taken
	Duplicate                  // the number is held already
	Old                        // the number was handed on, or its loss reported
	Beyond                     // no room yet: it will be asked for later
	Far                        // leaps further than a session may
	BadTrail                   // trail, number and lead contradict each other
	BadFragment                // the fragment does not fit its message
	Stale                      // an SPM older than the last
	Ended                      // the session is over
	Verdicts                   // how many there are
)

var verdictNames = [Verdicts]string{
	"kept", "duplicate", "old", "beyond the window", "far outside the window",
	"bad trail", "bad fragment", "stale SPM", "session ended",
}

// String returns the verdict's words.
func (v Verdict) String() string {
	if v < Verdicts {
		return verdictNames[v]
	}
	return "unknown verdict"
}
