package sim

// happening is one thing that will happen at a time in the world.
type happening struct {
	at   int64 // world time, ns
	host *Host
	life int // of the host's daemon
	do   func()
	kind happeningKind
	packet
}

type happeningKind uint8

const (
	call happeningKind = iota
	tick
	beat
	arrival
)

// queue is a binary heap by time, then by the order of scheduling. The heap
// holds places in a slab, so that moving its entries costs no write barrier.
type queue struct {
	heap  []entryAt
	slab  []happening
	free  []int32
	order uint64
}

type entryAt struct {
	at    int64
	order uint64
	place int32
}

func (e *entryAt) before(o *entryAt) bool {
	return e.at < o.at || e.at == o.at && e.order < o.order
}

func (q *queue) push(h happening) {
	place := int32(len(q.slab))
	if n := len(q.free); n > 0 {
		place, q.free = q.free[n-1], q.free[:n-1]
		q.slab[place] = h
	} else {
		q.slab = append(q.slab, h)
	}
	q.order++
	e := entryAt{at: h.at, order: q.order, place: place}
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(&q.heap[up]) {
			break
		}
		q.heap[i] = q.heap[up]
		i = up
	}
	q.heap[i] = e
}

// pop takes the next happening out of the queue, which must not be empty.
func (q *queue) pop() happening {
	place := q.heap[0].place
	n := len(q.heap) - 1
	last := q.heap[n]
	q.heap = q.heap[:n]
	if n > 0 {
		q.sink(last)
	}
	h := q.slab[place]
	if h.do != nil {
		q.slab[place].do = nil
	}
	q.free = append(q.free, place)
	return h
}

// sink lets e find its place from the top.
func (q *queue) sink(e entryAt) {
	i, n := 0, len(q.heap)
	for {
		kid := 2*i + 1
		if kid >= n {
			break
		}
		if kid+1 < n && q.heap[kid+1].before(&q.heap[kid]) {
			kid++
		}
		if !q.heap[kid].before(&e) {
			break
		}
		q.heap[i] = q.heap[kid]
		i = kid
	}
	q.heap[i] = e
}

// next returns when the next happening is due, or false.
func (q *queue) next() (at int64, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}
