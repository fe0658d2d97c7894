// Package faults breaks hosts and networks under the real program and looks at
// what clients and kernels see of it. It is all tests.
//
//	        client (probe)      witness
//	            │                  │
//	════════════╪══════════════════╪════════ service LAN
//	     │                                │
//	┌────┴─────┐                    ┌─────┴────┐
//	│ hist-a   │                    │ hist-b   │   each: kernel, `vipd run`,
//	│ (200)    │                    │ (100)    │   a responder
//	└────┬─────┘                    └─────┬────┘
//	     └────────── redundancy ──────────┘
//
// It knows what to break and what may be seen then: who answers, for how long
// two did, what kernel, journal and status say. It never judges a duration but
// by a limit several times as long as what is promised.
package faults
