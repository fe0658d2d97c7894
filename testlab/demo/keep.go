package main

import (
	"context"
	"fmt"
	"os"

	"vipd/testlab/rig"
)

// shell is the command that opens a shell in a host of the lab.
type shell struct {
	Host    string `json:"host"`
	Command string `json:"command"`
}

// shells lists the way into every host that has power.
func (st *stage) shells() []shell {
	hosts := []*rig.Host{st.A.Host(), st.B.Host(), st.Client, st.Eye}
	var ways []shell
	for _, h := range hosts {
		if h != nil && h.Shell() != "" {
			ways = append(ways, shell{h.Name(), h.Shell()})
		}
	}
	return ways
}

// daemonPath is the path of the program that the hosts run.
func daemonPath(o Options) string {
	if path, err := os.Readlink(o.Exe); err == nil {
		return path
	}
	return o.Exe
}

// keep leaves the lab up until ctx ends.
func (st *stage) keep(ctx context.Context, o Options) {
	if !o.JSON {
		fmt.Fprintf(o.Out, "The lab stays up until Ctrl-C. In hist-a and hist-b, this shows the pair:\n  %s status\n", daemonPath(o))
	}
	<-ctx.Done()
}
