package daemon

import (
	"context"
	"errors"

	"vipd/vipd/control"
	"vipd/vipd/node"
)

// Group does what an operator wants of a group: on one node, or on every node that
// is heard. A restart goes from node to node, where it does not serve first.
func (d *Daemon) Group(ctx context.Context, o control.GroupOrder) error {
	verb := map[string]node.Verb{control.GroupStart: node.Begin, control.GroupStop: node.Halt, control.GroupRestart: node.Renew}[o.Verb]
	what := o.Verb + " group " + o.Name
	nodes := []string{o.Node}
	if o.Node == "" {
		nodes = d.inTurn(groupPrefix + o.Name)
	}
	var errs []error
	if o.Both || verb != node.Renew {
		done := make(chan error, len(nodes))
		for _, n := range nodes {
			go func() { done <- d.orderGroup(ctx, verb, o.Name, n, what) }()
		}
		for range nodes {
			errs = append(errs, <-done)
		}
		return errors.Join(errs...)
	}
	for _, n := range nodes {
		if err := d.orderGroup(ctx, verb, o.Name, n, what); err != nil {
			return err // the others run on as they are
		}
	}
	return nil
}

func (d *Daemon) orderGroup(ctx context.Context, verb node.Verb, group, name, what string) error {
	reply, err := d.ask(ctx, node.Command{Verb: verb, Node: d.cluster().slot(name)}, groupPrefix+group)
	if err == nil {
		err = outcome(reply, what+" on "+name)
	}
	return err
}

// inTurn lists the nodes that are heard, those that hold no address that needs the
// group first.
func (d *Daemon) inTurn(tokenName string) (list []string) {
	s := d.Status()
	serves := map[string]bool{}
	for _, v := range d.cluster().settings.VIPs {
		for _, g := range v.Requires {
			if groupPrefix+g == tokenName {
				serves[tokenOf(s, v.Token()).Holder] = true
			}
		}
	}
	var last []string
	for _, n := range s.Nodes {
		switch {
		case n.State == control.NodeSilent || n.State == control.NodeUnknown:
		case serves[n.Name]:
			last = append(last, n.Name)
		default:
			list = append(list, n.Name)
		}
	}
	return append(list, last...)
}
