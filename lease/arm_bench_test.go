package lease

import "testing"

// The time to arm two hundred addresses and to let go of them, as the take and the drop
// of a large token do.
func BenchmarkArm(b *testing.B) {
	addresses := manyAddresses(200)
	for _, layer := range layers {
		b.Run(string(layer), func(b *testing.B) {
			l, _ := manyLeases(b, layer, 0)
			for b.Loop() {
				list, err := l.Arm(addresses, 1)
				if err == nil {
					err = l.Disarm(list...)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
