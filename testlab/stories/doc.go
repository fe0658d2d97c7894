// Package stories plays short tales of failure in the simulated world, without
// loss or chance, and compares what the nodes did with what is written down.
//
//	testdata/peer-silent.txt
//	    # Nobody is heard for D: the standby takes.
//	    nodes a=200 b=150
//	    vip front failback=no
//	    at 1s reboot a
//	    ----
//	    1.150 b takes vip:front epoch 2.b (peer-silent)
//	    …
//	    end   vip:front: b, epoch 2.b
//
// Each rule of how tokens move has a story named after it. A story knows no
// real clock, socket or file but its own text.
package stories
