// Package groups carries out orders for service groups on this host: it starts and stops
// units, runs checks, and puts the group's lease in force before a process starts.
//
// It decides no order: package services does. It knows no token machine and no loop; each
// result is an event of package services. What runs goes on when the daemon ends.
//
//	services.Action ─► GroupRunner ─► UnitRunner, one a unit ─► services/unit
//	                       ├────────► checks, one a probe    ─► services/probe
//	services.Event  ◄──────┘
package groups
