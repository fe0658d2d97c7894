package sharedip

import (
	"bytes"
	"maps"
	"vipd/sharedip/rtnl"
)

// Links returns the interfaces in use, by name, as Run saw them last.
func (h *AddressManager) Links() map[string]rtnl.LinkState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.states)
}

// locate finds the interface of p; one found earlier stays while it exists.
func (h *AddressManager) locate(v *rtnl.Host, p *place) (moved bool) {
	if l, err := choose(v, h.options.Own, p.Address); err == nil {
		return h.move(p, l)
	}
	if _, exists := v.LinkByIndex(p.index); !exists {
		p.index = 0
	}
	return false
}

// relocate finds the interface of every address again, and returns those that
// have another one now.
func (h *AddressManager) relocate(v *rtnl.Host) map[*place]bool {
	moved := make(map[*place]bool)
	for _, t := range h.tokens {
		for _, p := range t.places {
			if h.locate(v, p) {
				moved[p] = true
			}
		}
	}
	return moved
}

// used lists the interfaces that addresses are on or would be. One that is
// configured by name is listed even while it doesn't exist.
func (h *AddressManager) used(v *rtnl.Host) map[string]rtnl.LinkState {
	used := make(map[string]rtnl.LinkState)
	for _, t := range h.tokens {
		for _, p := range t.places {
			if p.Interface != "" {
				used[p.Interface] = rtnl.LinkState{Name: p.Interface}
			}
		}
		for _, p := range t.places {
			if l, ok := v.LinkByIndex(p.index); ok {
				used[l.Name] = l.LinkState
			}
		}
	}
	return used
}

// compare makes v the known state of the interfaces in use. It returns the
// carriers that changed, and the numbers of the interfaces where addresses must
// be looked after: new, back, or with another MAC.
func (h *AddressManager) compare(v *rtnl.Host) (events []Event, changed map[int]bool) {
	changed = make(map[int]bool)
	used := h.used(v)
	for name, l := range used {
		old, known := h.states[name]
		if !known || old.Carrier != l.Carrier {
			events = append(events, carrier(name, l.Carrier))
		}
		if now, ok := v.LinkByIndex(l.Index); ok && now.Settings != h.settingsSeen[name] {
			if h.settingsSeen[name] = now.Settings; known {
				events = append(events, SettingsChanged{name})
			}
		}
		if !known || old.Index != l.Index || !bytes.Equal(old.MAC, l.MAC) || l.Up && !old.Up || l.Carrier && !old.Carrier {
			changed[l.Index] = true
		}
	}
	for name, l := range h.states {
		if _, still := used[name]; !still && l.Carrier && !v.HasLink(name) {
			events = append(events, LinkDown{name})
		}
	}
	if h.settingsSeen[""] != v.All || !maps.Equal(h.outgoing, v.Outgoing) {
		events = append(events, SettingsChanged{})
	}
	h.settingsSeen[""], h.outgoing = v.All, v.Outgoing
	h.states = used
	h.carriersSeen.of(used)
	return events, changed
}

func carrier(name string, up bool) Event {
	if up {
		return LinkUp{name}
	}
	return LinkDown{name}
}

// linksDiffer asks the kernel for each interface in use whether it is still as
// it was seen last, and its settings with it. With all set it looks at those as well that
// hold for every interface: the kernel tells of no change of most settings.
func (h *AddressManager) linksDiffer(all bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, old := range h.states {
		if old.Index == 0 {
			continue // its return is an event
		}
		l, err := h.kernel.Link(old.Index)
		if err != nil || l.Name != name || l.Carrier != old.Carrier || l.Up != old.Up || l.Settings != h.settingsSeen[name] {
			return true
		}
	}
	return all && h.rulesDiffer()
}

func (h *AddressManager) rulesDiffer() bool {
	if now, err := h.forAll.Read(); err == nil && now != h.settingsSeen[""] {
		return true
	}
	if h.seen == nil {
		return false
	}
	fresh := rtnl.Host{}
	for own, index := range h.seen.Outgoing {
		if now, err := fresh.OutgoingLink(h.kernel, own); err == nil && now != index {
			return true
		}
	}
	return false
}
