// Command means prints, separated by commas, what this host provides of all that tests
// may need, as VIPD_TEST_REQUIRE takes it. It tries each thing and leaves nothing.
//
//	netns, bpf   the rig tries them in private namespaces
//	machines     whole ones can be booted: root, systemd-nspawn and the disk are here
//	openpgm      compiler, library and analyser of the interoperation tests are here
package main

import (
	"fmt"
	"os/exec"
	"strings"

	"vipd/testlab/machines"
	"vipd/testlab/rig"
)

func main() {
	var has []string
	if rig.Enter() == nil { // a host that refuses provides nothing of the rig's
		has = rig.Means()
	}
	_, compiler := exec.LookPath("gcc")
	_, analyser := exec.LookPath("tshark")
	library := exec.Command("pkg-config", "--exists", "openpgm-5.3").Run()
	if compiler == nil && analyser == nil && library == nil {
		has = append(has, "openpgm")
	}
	if machines.Has() == nil {
		has = append(has, machines.Means)
	}
	fmt.Println(strings.Join(has, ","))
}
