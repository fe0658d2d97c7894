# A stop that fails blocks: no Down, tried again every 5 s, the text names what is left.
group db units=a,b
0s  grant db 1                 => start db.a
0s  started db.a               => start db.b
0s  started db.b               => up db 1
1s  revoke db                  => stop db.b
2s  stopfailed db.b pid 77 (D)                          | blocked "b: pid 77 (D)"
2s  stopfailed db.b pid 77 (D)                          | blocked
6s  tick
7s  tick db                       => stop db.b             | blocked
8s  stopfailed db.b pid 77 (D)
9s  reset db                   => stop db.b             | blocked "b: pid 77 (D)"
10s stopped db.b               => stop db.a             | stopping ""
# No answer is a failure too, after the stop timeout and 5 s.
24s tick
25s tick db                       => stop db.a             | blocked "a: no answer to its stop"
39s tick
40s tick db                       => stop db.a
# The same order again: an answer to the first try is as good.
41s stopped db.a               => down db               | stopped
