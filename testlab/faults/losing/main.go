// Command losing is the daemon, but it loses the right to change addresses at SIGUSR1 and
// gets it back at SIGWINCH. What takes rights from a running process, such as a new policy
// of a security module, can't be had in a laboratory.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"vipd/vipd/daemon"
)

func main() {
	o := daemon.Options{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	flag.StringVar(&o.Config, "config", "", "configuration")
	flag.StringVar(&o.Node, "node", "", "this node")
	flag.StringVar(&o.RunDir, "run-dir", "", "run directory")
	flag.StringVar(&o.StateDir, "state-dir", "", "state directory")
	lesser := flag.Bool("without-bpf", false, "lack what BPF needs from the start")
	flag.Parse()
	if *lesser {
		set(false, unix.CAP_BPF, unix.CAP_SYS_ADMIN)
	}
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGUSR1, syscall.SIGWINCH)
	go func() {
		for s := range came {
			set(s == syscall.SIGWINCH, unix.CAP_NET_ADMIN)
		}
	}()
	fmt.Fprintln(os.Stderr, daemon.Run(context.Background(), o))
	os.Exit(1)
}

// set gives every thread the effective capabilities, or takes them. It works without cgo
// alone.
func set(on bool, capabilities ...int) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		panic(err)
	}
	for _, c := range capabilities {
		if sets[c/32].Effective &^= 1 << (c % 32); on {
			sets[c/32].Effective |= sets[c/32].Permitted & (1 << (c % 32))
		}
	}
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets)), 0); errno != 0 {
		panic(errno)
	}
}
