package pgm

import "vipd/multicast"

// narrowLink is a link on which nothing longer than most octets arrives.
type narrowLink struct {
	Link
	most int
}

func (l *narrowLink) Inputs() []Input { return []Input{l} }

func (l *narrowLink) Read(batch []multicast.Datagram) (int, error) {
	for {
		n, err := l.Link.Inputs()[0].Read(batch)
		if err != nil {
			return n, err
		}
		kept := 0
		for i := range batch[:n] {
			if len(batch[i].Data) <= l.most {
				batch[kept], batch[i] = batch[i], batch[kept]
				kept++
			}
		}
		if kept > 0 {
			return kept, nil
		}
	}
}
