# Two restarts within a minute, then the group is given up, once.
group db units=a,b restart=2/60s
0s  grant db 1             => start db.a
0s  started db.a           => start db.b
0s  started db.b           => up db 1
10s died db.a exit 1       => stop db.b                | failing "a: exit 1"
10s stopped db.b           => stop db.a
10s stopped db.a           => start db.a               | starting
10s started db.a           => start db.b
11s startfailed db.b port in use => stop db.b          | failing "b: port in use"
11s stopped db.b           => stop db.a
11s stopped db.a           => start db.a
11s started db.a           => start db.b
11s started db.b           => up db 1                  | running
12s died db.b exit 2       => stop db.b
12s died db.a exit 3                                   | failing "b: exit 2"
12s stopped db.b           => stop db.a
12s stopped db.a           => failed db 1              | failed "b: exit 2"
12s tick db                                               | failed
13s restart db                                         | failed
14s revoke db              => down db                  | failed
# Remembered: the next grant starts once.
20s grant db 2             => start db.a               | starting
20s startfailed db.a no disk => stop db.a
20s stopped db.a           => failed db 2              | failed "a: no disk (given up twice, waits for a reset)"
21s revoke db              => down db
# And the one after that not at all, ever.
48h grant db 3             => failed db 3              | failed
49h revoke db              => down db
49h reset db                                           | stopped ""
49h grant db 4             => start db.a
49h startfailed db.a no disk => stop db.a
49h stopped db.a           => start db.a               | starting
