package child

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// capabilityNames are the names of the kernel's capabilities by number
// (capabilities(7)).
var capabilityNames = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// Capability is the number of a capability, by its name such as CAP_NET_ADMIN.
func Capability(name string) (number int, known bool) {
	number = slices.Index(capabilityNames, name)
	return number, number >= 0
}

// CapabilityNames lists the names that Capability knows.
func CapabilityNames() []string { return slices.Clone(capabilityNames) }

func capabilityName(number int) string { return capabilityNames[number] }

// capabilitySet is one thread's permitted capabilities.
type capabilitySet uint64

func (s capabilitySet) has(number int) bool { return s>>number&1 == 1 }

// ownCapabilities reads those of the calling thread.
func ownCapabilities() (capabilitySet, error) {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	return capabilitySet(data[1].Permitted)<<32 | capabilitySet(data[0].Permitted), nil
}

// setCapabilities sets those of the calling thread; none is inheritable.
func setCapabilities(permitted capabilitySet) error {
	data := [2]unix.CapUserData{
		{Permitted: uint32(permitted), Effective: uint32(permitted)},
		{Permitted: uint32(permitted >> 32), Effective: uint32(permitted >> 32)},
	}
	return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0])
}
