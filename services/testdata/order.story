# Units start in order and stop in reverse, one at a time.
group db units=a,b,c
0s grant db 1      => start db.a | starting
1s started db.a    => start db.b
2s started db.b    => start db.c | starting
3s started db.c    => up db 1    | running
4s revoke db       => stop db.c  | stopping
5s stopped db.c    => stop db.b
6s stopped db.b    => stop db.a
7s stopped db.a    => down db    | stopped

# A revoke that finds nothing is answered at once.
8s revoke db       => down db    | stopped
