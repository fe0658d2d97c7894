// Package machines boots whole Linux machines, systemd and all, in a laboratory of
// package rig: what only a real service manager, real services and a real program in
// its unit can show.
//
// It knows how to boot a machine on a copy-on-write disk, to run commands in it, to cut
// its power and to freeze it; and how to watch from outside who answers clients, which
// machine runs a unit, and what the writers of the history were told. It never judges
// what was seen, never sets a clock, and shares no file system with the host but the
// disk below, which nobody writes.
//
//	 client, witness                       db: one PostgreSQL for the writers
//	      │                                    │
//	══════╪════════╤══════════════════╤════════╪═══ service LAN
//	               │                  │
//	        ┌──────┴───────┐   ┌──────┴───────┐   a machine: a host of the rig, with
//	        │ hist-a (200) │   │ hist-b (100) │   systemd-nspawn in it, and in that
//	        │ vipd.service │   │ vipd.service │   systemd as process 1
//	        └──────┬───────┘   └──────┬───────┘
//	               └── redundancy ────┘
//
// A machine's disk is three layers, its own on top, all in this process's mounts:
//
//	own      memory   written by the machine, outlives its power cuts
//	product  memory   vipd, its unit and the writer, as just built
//	root     cache    Debian, Mosquitto, PostgreSQL, Redis (package image)
//
// All of it ends with the process, whichever way that ends: the machines live in its
// pid namespace and on its mounts, and a guard outside takes their control groups away.
//
// The root is made once, as root, where mmdebstrap and systemd-container are installed:
//
//	go run ./testlab/machines/root
//	VIPD_TEST_REQUIRE=machines go test ./testlab/machines
package machines
