package sim

// happening is one thing that will happen at a time in the world.
type happening struct {
	at    int64 // world time, ns
	order uint64
	host  *Host
	life  int // of the host's daemon, or −1 for any
	do    func()
	kind  happeningKind
	packet
}

type happeningKind uint8

const (
	call happeningKind = iota
	tick
	beat
	arrival
)

// queue is a binary heap by time, then by the order of scheduling.
type queue struct {
	heap  []happening
	order uint64
}

func (q *queue) push(h happening) {
	q.order++
	h.order = q.order
	q.heap = append(q.heap, h)
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !q.before(i, up) {
			break
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

func (q *queue) before(a, b int) bool {
	x, y := &q.heap[a], &q.heap[b]
	if x.at != y.at {
		return x.at < y.at
	}
	return x.order < y.order
}

func (q *queue) pop() happening {
	top := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last] = happening{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for _, kid := range [2]int{2*i + 1, 2*i + 2} {
			if kid < last && q.before(kid, least) {
				least = kid
			}
		}
		if least == i {
			return top
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}
