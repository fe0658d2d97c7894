# An operator's restart is not counted, and works without an allowance.
group db units=a,b
0s  grant db 1          => start db.a
1s  started db.a        => start db.b
2s  restart db          => stop db.b           | stopping
3s  stopped db.b        => stop db.a
4s  stopped db.a        => start db.a          | starting
5s  started db.a        => start db.b
6s  started db.b        => up db 1
7s  restart db          => stop db.b
8s  died db.a meanwhile
9s  stopped db.b        => stop db.a
10s stopped db.a        => start db.a          | starting
11s startfailed db.a no => stop db.a
# It turns a failure that is under way.
12s restart db                                 | stopping
13s stopped db.a        => start db.a
14s startfailed db.a no => stop db.a
15s stopped db.a        => failed db 1
16s restart db                                 | failed
