# A group waits for one that has a grant here, and one whose grant may come a moment later.
group hist units=h after=rtdb
group rtdb units=r check=tcp/1/1
0s     grant hist 1                                   | starting "waits for group rtdb"
100ms  grant rtdb 1      => start rtdb.r
500ms  tick
1s     started rtdb.r    => probe rtdb
2s     tick                                           
2s     ok rtdb/tcp fine  => up rtdb 1, start hist.h
3s     started hist.h    => up hist 1                 | running ""
# When the first one is revoked, nothing is forced down.
4s     revoke rtdb       => unprobe rtdb, stop rtdb.r
5s     stopped rtdb.r    => down rtdb
6s     revoke hist       => stop hist.h
7s     stopped hist.h    => down hist
# It does not wait for one that runs elsewhere, but for the settling time.
10s    grant hist 2                                   | starting "waits for group rtdb"
10.199s tick
10.2s  tick              => start hist.h
11s    started hist.h    => up hist 2
# A local restart settles no more.
20s    restart hist      => stop hist.h
21s    stopped hist.h    => start hist.h
22s    started hist.h    => up hist 2
23s    revoke hist       => stop hist.h
24s    stopped hist.h    => down hist
# Revoked while it waits: nothing was started.
30s    grant rtdb 3      => start rtdb.r
30s    grant hist 3                                   | starting "waits for group rtdb"
31s    revoke hist       => down hist                 | stopped ""
# One that is revoked lets the other go on.
32s    grant hist 4                                   | starting "waits for group rtdb"
33s    revoke rtdb       => start hist.h, stop rtdb.r
