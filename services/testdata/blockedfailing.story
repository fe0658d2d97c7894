# What blocks while failing is given up only when nothing is left.
group db units=a,b
0s  grant db 1                 => start db.a
0s  started db.a               => start db.b
1s  startfailed db.b no        => stop db.b             | failing
2s  stopfailed db.b pid 8                               | blocked "b: pid 8"
7s  tick db                       => stop db.b             | blocked
8s  stopped db.b               => stop db.a             | failing "b: no"
9s  stopped db.a               => failed db 1           | failed
9s  revoke db                  => down db
