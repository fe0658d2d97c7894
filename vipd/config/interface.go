package config

import "strings"

// interfaces reads interface = "eth0" for every node, or a table for some.
func (t table) interfaces(nodes []Node) map[string]string {
	found := map[string]string{}
	switch v := t.values["interface"].(type) {
	case nil:
	case string:
		t.device("interface", v)
		for _, n := range nodes {
			found[n.Name] = v
		}
	case map[string]any:
		byNode, _ := t.sub("interface", "")
		for _, name := range byNode.nodeNames(nodes) {
			device, ok := value[string](byNode, name, `a name such as "eth0"`)
			if ok {
				byNode.device(name, device)
			}
			found[name] = device // also a wrong one: it is no cause to complain of a missing one
		}
	default:
		t.wrong("interface", `expected a name such as "eth0" or a table such as { hist-a = "eth0" }, not %s`, kind(v))
	}
	return found
}

// device refuses what the kernel would not take as the name of an interface (dev_valid_name).
func (t table) device(key, name string) {
	if name == "" || len(name) > 15 || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\r\v\f") {
		t.wrong(key, "%q is no interface; 1 to 15 characters without blanks, slashes and colons", name)
	}
}
