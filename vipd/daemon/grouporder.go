package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"vipd/vipd/control"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/node"
)

// Group does what an operator wants of a group: on one node, or on every node that
// is heard. A restart goes from node to node, where it does not serve first.
func (d *Daemon) Group(ctx context.Context, o control.GroupOrder) (control.Change, error) {
	nodes, err := d.ordered(o)
	if err != nil {
		return control.Change{DryRun: o.DryRun}, err
	}
	if o.DryRun {
		return d.planGroup(o, nodes), nil
	}
	return control.Change{Text: done(o)}, d.orderNodes(ctx, o, nodes)
}

// ordered lists the nodes that the order is for. One that is not heard would let the
// operator wait for nothing.
func (d *Daemon) ordered(o control.GroupOrder) ([]string, error) {
	heard := d.inTurn(cluster.GroupPrefix + o.Name)
	switch {
	case o.Node == "":
		return heard, nil
	case slices.Contains(heard, o.Node):
		return []string{o.Node}, nil
	}
	return nil, control.Errorf(control.CodeFailed, "%s group %s on %s: the node is not heard; order it there, or when it is back", o.Verb, o.Name, o.Node)
}

// done says that the order was carried out.
func done(o control.GroupOrder) string {
	where := cmp.Or(o.Node, "every node heard")
	switch o.Verb {
	case control.GroupStart:
		return fmt.Sprintf("%s may run on %s", o.Name, where)
	case control.GroupStop:
		return fmt.Sprintf("%s is stopped on %s", o.Name, where)
	}
	return fmt.Sprintf("%s is restarted on %s", o.Name, where)
}

func (d *Daemon) orderNodes(ctx context.Context, o control.GroupOrder, nodes []string) error {
	verb := map[string]node.Verb{control.GroupStart: node.Begin, control.GroupStop: node.Halt, control.GroupRestart: node.Renew}[o.Verb]
	what := o.Verb + " group " + o.Name
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
	reply, err := d.ask(ctx, node.Command{Verb: verb, Node: d.cluster().Slot(name)}, cluster.GroupPrefix+group)
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
	for _, v := range d.cluster().Settings.VIPs {
		for _, g := range v.Requires {
			if cluster.GroupPrefix+g == tokenName {
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
