package rig

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tryBPF loads the smallest traffic control program, "return 0", and forgets it.
func tryBPF() error {
	const programLoad, schedCLS = 5, 3 // BPF_PROG_LOAD, BPF_PROG_TYPE_SCHED_CLS
	program := [2]uint64{0x00000000000000b7, 0x0000000000000095}
	license := [1]byte{}
	attr := struct {
		kind, count           uint32
		instructions, license uint64
		logLevel, logSize     uint32
		log                   uint64
		kernelVersion, flags  uint32
	}{
		kind: schedCLS, count: uint32(len(program)),
		instructions: uint64(uintptr(unsafe.Pointer(&program))),
		license:      uint64(uintptr(unsafe.Pointer(&license))),
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, programLoad, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return fmt.Errorf("load a BPF program: %w", errno)
	}
	return unix.Close(int(fd))
}
