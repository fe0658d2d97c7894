package announce

import "time"

// bucket lets totalRate frames out each second. The zero value is full.
type bucket struct {
	frames float64
	filled time.Time
}

// take takes n frames, or what is left of them: false when there were fewer.
func (b *bucket) take(now time.Time, n int) bool {
	b.frames = min(totalRate, b.frames+now.Sub(b.filled).Seconds()*totalRate)
	b.filled = now
	enough := b.frames >= float64(n)
	b.frames = max(0, b.frames-float64(n))
	return enough
}

// Limits are the rates that the announcers of all addresses share. The zero value permits
// a full second's worth at once.
type Limits struct{ announcements, questions bucket }
