package rig

import (
	"testing"
	"time"
)

// However late a connector comes, the connections begin 20 ms apart.
func TestConnectorsTakeTurns(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		turn int
		now  time.Duration
		want time.Duration // since the start
	}{
		{0, 0, 200 * ms},
		{0, 1 * ms, 200 * ms},
		{9, 0, 180 * ms},
		{9, 179 * ms, 180 * ms},
		{9, 180 * ms, 380 * ms},
		{3, 1055 * ms, 1060 * ms},
		{3, 1061 * ms, 1260 * ms},
	}
	for _, tt := range tests {
		if got := tt.now + untilTurn(tt.turn, tt.now); got != tt.want {
			t.Errorf("turn %d at %v: next at %v, want %v", tt.turn, tt.now, got, tt.want)
		}
	}
}
