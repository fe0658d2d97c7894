# A revoke during a start stops what was started; the start's answer is late.
group db units=a,b restart=3/60s
0s grant db 1            => start db.a
1s started db.a          => start db.b
2s revoke db             => stop db.b          | stopping
3s late started db.b                           | stopping
3s started db.b
4s grant db 2
5s stopped db.b          => stop db.a
6s stopped db.b
7s late started db.a
8s stopped db.a          => down db
9s stopped db.a
# Answers to orders of the life before change nothing in this one.
10s grant db 1
10s grant db 2           => start db.a
11s late stopped db.a
11s late died db.a old
11s late startfailed db.a old
12s started db.a         => start db.b
13s late stopped db.a
13s late stopfailed db.b old                   | starting
14s started db.b         => up db 2            | running
14s started db.b
15s late died db.b old                         | running
# The same grant under a new number.
16s grant db 5           => up db 5            | running
17s grant db 4
18s died db.b now        => stop db.b          | failing
19s died db.b now
