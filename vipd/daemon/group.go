package daemon

import (
	"context"

	"vipd/vipd/control"
)

// Group refuses: this build runs no groups.
func (d *Daemon) Group(context.Context, control.GroupOrder) error {
	return control.Errorf(control.CodeFailed, "groups are not supported by this build")
}
