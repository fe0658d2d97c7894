package demo

import "vipd/testlab/standin"

// What the hosts run as services is this very program, under other names: nothing else
// needs to be there.
func init() { standin.Main() }
