package main

import (
	"net/netip"
	"sync"
	"time"

	"vipd/testlab/pair"
)

// extraAddress is the i-th shared address besides the first, the first 199 in the
// network of the service LAN; none is that of a host.
func extraAddress(i int) netip.Prefix {
	b := [4]byte{192, 0, 2, byte(20 + i)}
	switch {
	case i >= 199:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 7, byte((i - 198) / 256), byte((i - 198) % 256)}), wide.Bits())
	case i >= 79:
		b[3] = byte(101 + i - 79)
	}
	return netip.PrefixFrom(netip.AddrFrom4(b), pair.Shared.Bits())
}

// manyAddresses waits until hist-a answers on every address, cuts its power and waits
// until hist-b does.
func (t *trial) manyAddresses() error {
	addresses := []netip.Addr{pair.Shared.Addr()}
	for i := range 199 {
		addresses = append(addresses, extraAddress(i).Addr())
	}
	return t.sweepAddresses(addresses)
}

// sweepAddresses measures from when to when the client is told where they are, and
// until when all have answered.
func (t *trial) sweepAddresses(addresses []netip.Addr) error {
	sweep, err := t.newSweep(addresses)
	if err != nil {
		return err
	}
	defer sweep.close()
	heard, err := t.listen()
	if err != nil {
		return err
	}
	defer heard.close()
	if err := t.askBy(t.A); err != nil {
		return err
	}
	if _, err := sweep.until(t.ctx, nameA); err != nil {
		return err
	}
	if err := t.askBy(t.B); err != nil {
		return err
	}
	heard.forget()
	var cut sync.WaitGroup
	defer cut.Wait()
	from := time.Now()
	cut.Go(t.A.CutPower) // it takes longer than the other host to notice
	first, last, err := heard.until(t.ctx, addresses, nameB)
	if err != nil {
		return err
	}
	answered, err := sweep.until(t.ctx, nameB)
	if err != nil {
		return err
	}
	t.values["first to last"], t.values["all told after"] = ms(last.Sub(first)), ms(last.Sub(from))
	t.values["all answered after"] = ms(answered.Sub(from))
	t.values[stallKey] = ms(t.Probe.Report(from, time.Now()).Stall)
	return nil
}
