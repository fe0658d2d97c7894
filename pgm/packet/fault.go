package packet

// Fault says why octets are not a packet that may be acted on. Faults are
// small numbers so that they can be counted in an array.
type Fault uint8

// The faults.
const (
	Short          Fault = iota // ends within a field
	BadVersion                  // the upper half of the type octet is not zero
	BadType                     // unknown packet type
	BadChecksum                 // the checksum does not match
	NoChecksum                  // data without a checksum (section 8)
	BadLength                   // TSDU length and octets present disagree
	BadAddress                  // unknown address family, or it changes within a packet
	BadOption                   // an option's length does not fit its kind
	OptionOverrun               // options do not end where OPT_LENGTH says
	TooManyOptions              // more than MaxOptions
	Discard                     // an unknown option asks for the packet to be discarded
	Faults                      // how many there are
)

var faultNames = [Faults]string{
	"packet too short", "bad version", "unknown type", "bad checksum", "data without checksum",
	"bad payload length", "bad address", "bad option", "option overrun", "too many options",
	"discarded by option",
}

// String returns the fault's words.
func (f Fault) String() string {
	if f < Faults {
		return faultNames[f]
	}
	return "unknown fault"
}

// Error makes a Fault an error.
func (f Fault) Error() string { return "parse pgm packet: " + f.String() }
