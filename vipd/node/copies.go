package node

// copies keeps lists as they are now. Room is made for many of them at a time: there is
// one for each heartbeat.
type copies[T any] struct{ room []T }

// copiesAtOnce is for how many lists room is made.
const copiesAtOnce = 64

// keep returns a copy that stays as it is.
func (c *copies[T]) keep(list []T) []T {
	if len(list) > cap(c.room)-len(c.room) {
		c.room = make([]T, 0, copiesAtOnce*len(list))
	}
	from := len(c.room)
	c.room = append(c.room, list...)
	return c.room[from:len(c.room):len(c.room)]
}
