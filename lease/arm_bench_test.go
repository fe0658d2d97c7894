package lease

import "testing"

// The time to arm an address and to let go of it, as each take and drop does.
func BenchmarkArm(b *testing.B) {
	for _, layer := range layers {
		b.Run(string(layer), func(b *testing.B) {
			l, _ := manyLeases(b, layer, 0)
			for b.Loop() {
				x, err := l.Arm(shared4, 1)
				if err == nil {
					err = x.Disarm()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
