# Only what changed is touched.
group db units=a,b check=tcp/1/1 restart=1/60s
group ds units=d
0s  grant db 1                 => start db.a
0s  started db.a               => start db.b
0s  started db.b               => probe db
0s  ok db/tcp fine             => up db 1
0s  grant ds 1                 => start ds.d
0s  started ds.d               => up ds 1
1s  reconfigure db units=a,b check=tcp/1/1 restart=5/9s grace=3s stop=1s after=ds | running
# Other checks are turned on anew, presumed healthy.
2s  reconfigure db units=a,b check=tcp/1/2 => unprobe db, probe db | running
2s  bad db/tcp refused
# Other units: stopped as it was, started as it is to be.
3s  reconfigure db units=c     => unprobe db, stop db.b | stopping
4s  stopped db.b               => stop db.a
5s  stopped db.a               => start db.c
6s  started db.c               => up db 1             | running
# Gone: stopped. The token's revoke is answered all the same.
7s  reconfigure ds             => stop ds.d
8s  reconfigure db units=c
# Back before its token knew: it starts again under the same grant.
9s  reconfigure ds units=d                            | stopping
10s stopped ds.d               => start ds.d          | starting
11s started ds.d               => up ds 1
