package traffic

import (
	"context"
	"testing"
)

func TestCounter(t *testing.T) {
	plan := Plan{Count: 10, Size: 300}
	c := Counter{Plan: plan}
	n := 0
	var last []byte
	sent, err := Send(context.Background(), plan, func(_ context.Context, m []byte) error {
		last = append(last[:0], m...)
		switch n++; n {
		case 4: // lost
		case 6:
			m = append([]byte(nil), m...)
			m[16] ^= 1
			c.Take(m)
		case 8:
			c.Take(m)
			c.Take(m)
		default:
			c.Take(m)
		}
		return nil
	})
	if err != nil || sent.Messages != 10 || !c.Done() {
		t.Errorf("sent %+v, %v, done %v", sent, err, c.Done())
	}
	c.Take(last[:5])
	if r := c.Result(); r.Messages != 10 || r.Lost != 1 || r.Disorder != 1 || r.Corrupt != 2 || r.First != 0 || r.P99 < r.P50 {
		t.Errorf("received %+v", r)
	}
}
