package daemon

import (
	"fmt"
	"time"

	"vipd/vipd/control"
	"vipd/vipd/daemon/preflight"
)

// checkNames makes an alarm of an address of another node on this host.
func (d *Daemon) checkNames() {
	text, err := preflight.Clash(d.cluster().Settings, d.cluster().Self)
	if err != nil {
		return // the next look is soon
	}
	d.alarms.Set("identity", text)
}

// twinShown is how long an alarm of another host with this node's name stays.
const twinShown = time.Minute

// twin is told that another program seals messages as this node. One sender is named at a
// time: a recording can come from any number of addresses.
func (d *Daemon) twin(from sender) {
	const about = "twin"
	if d.alarms.Raised(about) {
		return
	}
	name := d.cluster().Self.Name
	text := fmt.Sprintf("%s also sends as node %s, which this host is: two hosts run as the same node, or somebody replays a recording; compare --node and the addresses of both", from, name)
	d.loop.journal.Add(control.Event{Kind: "alarm", Node: name, Text: text})
	d.alarms.Set(about, text)
	time.AfterFunc(twinShown, func() { d.alarms.Clear(about) })
}
