package packet

import (
	"bytes"
	"testing"
)

// FuzzParse writes a right checksum first, so that the fuzzer gets behind it;
// what parses must survive Append and Parse unchanged.
func FuzzParse(f *testing.F) {
	for _, g := range golden {
		f.Add(sealed(f, g.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= HeaderLen {
			Seal(b)
		}
		var p, q Packet
		if p.Parse(b) != nil {
			return
		}
		once := p.Append(nil)
		if err := q.Parse(once); err != nil {
			t.Fatalf("own octets do not parse: %v\n%x\n%x", err, b, once)
		}
		if twice := q.Append(nil); !bytes.Equal(once, twice) {
			t.Fatalf("not stable\n%x\n%x", once, twice)
		}
	})
}

// FuzzParseRaw leaves the checksum as it comes.
func FuzzParseRaw(f *testing.F) {
	f.Add(sealed(f, golden[0].hex))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		if err := p.Parse(b); err != nil {
			if _, ok := err.(Fault); !ok {
				t.Fatalf("%v is not a Fault", err)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	p := Packet{Type: ODATA, GSI: gsi, Payload: make([]byte, 1000)}
	o := p.Append(nil)
	b.SetBytes(int64(len(o)))
	for b.Loop() {
		if err := p.Parse(o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	p := Packet{Type: ODATA, GSI: gsi, Payload: make([]byte, 1000)}
	out := make([]byte, 0, 1500)
	b.SetBytes(1024)
	for b.Loop() {
		out = p.Append(out[:0])
	}
}
