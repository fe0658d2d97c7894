package daemon

import "vipd/vipd/daemon/preflight"

// pathTrouble makes an alarm of a path that can't be opened, and ends it when err is nil.
// The same error again costs nothing.
func (d *Daemon) pathTrouble(p *path, err error) {
	about := "path " + p.options.Local.String()
	if err == nil {
		p.trouble, p.failed = "", nil
		d.alarms.Clear(about)
		return
	}
	if p.failed != nil && p.failed.Error() == err.Error() {
		return
	}
	p.trouble, p.failed = preflight.PathText(p.options, err), err
	d.alarms.Set(about, p.trouble+"; trying on")
	d.log.Warn("a path can't be opened yet; trying on", "address", p.options.Local, "err", p.trouble)
}
