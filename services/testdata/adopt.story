# What was found running goes on, its checks presumed healthy.
group db units=a,b check=tcp/2/2 restart=1/60s
group ds units=d,e restart=1/60s
group old units=o
0s adopt db 7 a b       => probe db, up db 7   | running
1s bad db/tcp refused
2s ok db/tcp fine
3s bad db/tcp refused                          | running
4s grant db 8           => up db 8
5s died db.b exit 1     => unprobe db, stop db.b | failing
# What was not found died unseen; whatever it left is stopped first.
6s adopt ds 7 e         => stop ds.e           | failing "d: did not outlive the daemon"
7s stopped ds.e         => stop ds.d
8s stopped ds.d         => start ds.d          | starting
9s adopt ds 9 d e
# Found without a token.
10s adopt old 0 o       => up old 0
10s revoke old          => stop old.o
11s stopped old.o       => down old            | stopped
