package main

import (
	"fmt"
	"net"

	"vipd/vipd/config"
)

// host lists what the file expects of this host and is not there now, where this host is
// one of the nodes. It is doubtful and not wrong: an interface may come later.
func (f *configFile) host(s config.Settings) (doubtful []config.Problem) {
	self, err := f.self(s)
	if err != nil {
		return nil
	}
	for _, v := range s.VIPs {
		name := v.Interface[self.Name]
		if name == "" {
			continue
		}
		if _, err := net.InterfaceByName(name); err != nil {
			reason := fmt.Sprintf("this host has no interface %q now: it can't hold the address until there is one", name)
			doubtful = append(doubtful, config.At(f.path, reason, 0, "vip", v.Name, "interface", self.Name))
		}
	}
	return doubtful
}
