# A start that is never answered is a failed one; a check that never answers too.
group db units=a check=tcp/1/1 grace=1m restart=1/1h
0s     grant db 1       => start db.a
5m59s  tick
6m     tick db             => stop db.a           | failing "a: no answer to its start"
6m     stopped db.a     => start db.a
7m     started db.a     => probe db
12m59s tick
13m    tick db             => unprobe db, stop db.a | failing "check tcp: not healthy in time"
