package lease

import "golang.org/x/sys/unix"

// dropRights takes all capabilities off the calling thread, which must end soon.
func dropRights() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}
