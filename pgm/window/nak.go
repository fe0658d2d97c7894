package window

import "vipd/pgm/packet"

// Due lets time pass (section 6.3) and appends to out the numbers to ask for
// now, up to the capacity of one NAK. When it fills a NAK there may be more:
// ask again. Before the first SPM there is nowhere to send a NAK; the tries
// count all the same, so that a source without SPMs can't hold the window up.
func (w *Receive) Due(now Instant, out []packet.Seq) []packet.Seq {
	w.fill(now)
	w.expire(now)
	start := len(out)
	for len(out)-start <= packet.MaxNAKList {
		i := w.queues[queueBackOff].first
		if i == none || w.slots[i].deadline > now {
			break
		}
		w.toWaitNCF(now, i)
		if s := &w.slots[i]; w.path {
			out = append(out, s.seq)
			if s.asked == 0 {
				s.asked = now
			}
		}
	}
	return out
}

// expire sends the numbers whose NCF or RDATA did not come in time back to
// BACK_OFF, or gives them up.
func (w *Receive) expire(now Instant) {
	for q := queueNCF; q < queues; q++ {
		for {
			i := w.queues[q].first
			if i == none || w.slots[i].deadline > now {
				break
			}
			w.retry(now, i)
		}
	}
}

// retry counts one try that came to nothing.
func (w *Receive) retry(now Instant, i int32) {
	s := &w.slots[i]
	tries, most := &s.ncfTries, w.c.NCFRetries
	if s.state == waitData {
		tries, most = &s.dataTries, w.c.DataRetries
	}
	if int(*tries) >= most {
		w.leave(i)
		s.state = gaveUp
		return
	}
	*tries++
	w.toBackOff(now, i)
}

// Deadline is when Due must be asked next, or Never.
func (w *Receive) Deadline() Instant {
	d := Never
	for _, q := range w.queues {
		if q.first != none {
			d = min(d, w.slots[q.first].deadline)
		}
	}
	return d
}
