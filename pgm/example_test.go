package pgm_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"vipd/pgm"
)

// A sender and a receiver on a network in memory that loses a tenth of all
// packets.
func Example() {
	bus := pgm.NewBus(pgm.BusOptions{Seed: 1, Loss: 0.1})
	group := netip.MustParseAddr("239.192.77.2")
	receiver, err := pgm.NewReceiver(bus.Link(netip.MustParseAddr("10.0.0.2"), group), pgm.ReceiverOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer receiver.Close()
	sender, err := pgm.NewSender(bus.Link(netip.MustParseAddr("10.0.0.1"), group), pgm.SenderOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, word := range []string{"true", "on", "the", "wire"} {
		if _, err := sender.Send(ctx, []byte(word)); err != nil {
			fmt.Println(err)
		}
	}
	go sender.Close(context.Background())
	for {
		m, err := receiver.Next(ctx)
		var end *pgm.EndError
		if errors.As(err, &end) {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(m.Data))
	}
	// Output:
	// true
	// on
	// the
	// wire
}

// Losses stand where the messages would: one LossError for each hole.
func ExampleReceiver_Receive() {
	count := func(ctx context.Context, r *pgm.Receiver) (messages, lost int, err error) {
		for {
			_, err := r.Next(ctx)
			var loss *pgm.LossError
			var end *pgm.EndError
			switch {
			case errors.As(err, &loss):
				lost += loss.Count()
			case errors.As(err, &end):
				return messages, lost, nil
			case err != nil:
				return messages, lost, err
			default:
				messages++
			}
		}
	}
	bus := pgm.NewBus(pgm.BusOptions{})
	group := netip.MustParseAddr("239.192.77.2")
	r, err := pgm.NewReceiver(bus.Link(netip.MustParseAddr("10.0.0.2"), group), pgm.ReceiverOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	s, err := pgm.NewSender(bus.Link(netip.MustParseAddr("10.0.0.1"), group), pgm.SenderOptions{Window: 1, Linger: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	say := func(text string) {
		if _, err := s.Send(ctx, []byte(text)); err != nil {
			fmt.Println(err)
		}
		time.Sleep(time.Millisecond)
	}
	say("heard")
	bus.SetLoss(1)
	for range 5 {
		say("lost for good, as only one packet is kept")
	}
	bus.SetLoss(0)
	say("heard")
	say("heard")
	go s.Close(context.Background())
	messages, lost, err := count(ctx, r)
	fmt.Println(messages, lost, err)
	// Output: 3 5 <nil>
}

// A sender that knows its receivers waits for them instead of overrunning
// them; here it gives up one that holds it for longer than a second.
func ExampleSenderOptions_flow() {
	link, err := pgm.SenderUDP(pgm.UDPOptions{
		Local: netip.MustParseAddr("192.0.2.1"),
		Group: netip.MustParseAddrPort("239.192.77.2:3056"),
	})
	if err != nil {
		fmt.Println("this host does not have the address 192.0.2.1")
		return
	}
	s, err := pgm.NewSender(link, pgm.SenderOptions{
		Receivers:   []netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:7501")},
		LeaveBehind: time.Second,
		Notify:      func(n pgm.Notice) { fmt.Println(n.Receiver, n.Kind) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close(context.Background())
	// Output: this host does not have the address 192.0.2.1
}
