package sharedip

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// allARPIgnore holds the setting that is in force on every interface where its
// own is smaller.
const allARPIgnore = "/proc/sys/net/ipv4/conf/all/arp_ignore"

// mute is the arp_ignore that answers for no address at all.
const mute = 8

// Check returns every reason why a configured address could not work here, in
// words for the person who wrote the configuration.
func (h *Hands) Check() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.kernel.look()
	if err != nil {
		return []error{err}
	}
	all, err := readSetting(h.allARP)
	if err != nil {
		return []error{err}
	}
	var errs []error
	for _, t := range h.tokens {
		for _, p := range t.places {
			errs = append(errs, h.checkPlace(v, p, all)...)
		}
	}
	return errs
}

func (h *Hands) checkPlace(v *view, p *place, all uint32) (errs []error) {
	addr := p.Prefix.Addr()
	for _, a := range v.addresses {
		if a.prefix.Addr() == addr {
			l, _ := v.byIndex(a.index)
			errs = append(errs, fmt.Errorf("%s is configured on %s by someone else: remove it from the network configuration", addr, l.Name))
		}
	}
	l, err := choose(v, h.options.Own, p.Address)
	if err != nil {
		return append(errs, err)
	}
	if !l.ethernet {
		errs = append(errs, fmt.Errorf("%s: %s is no Ethernet interface: nobody can be told where the address is", addr, l.Name))
	}
	if addr.Is4() && max(all, l.arpIgnore) == mute {
		errs = append(errs, fmt.Errorf("%s: net.ipv4.conf.%s.arp_ignore is 8, so the kernel answers no ARP request: set it to 0, 1 or 2",
			addr, muted(l, all)))
	}
	return errs
}

// muted names the interface whose arp_ignore is to be changed.
func muted(l link, all uint32) string {
	if all == mute {
		return "all"
	}
	return l.Name
}

// readSetting reads a number from an open file of /proc/sys. The file stays in
// the network namespace where it was opened.
func readSetting(f io.ReaderAt) (uint32, error) {
	b := make([]byte, 16)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read %s: %w", allARPIgnore, err)
	}
	value, err := strconv.ParseUint(strings.TrimSpace(string(b[:n])), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", allARPIgnore, err)
	}
	return uint32(value), nil
}
