# Up only after rise successes in a row; failures within the grace don't count.
group web units=w check=tcp/2/2 check=http/1/3 grace=10s restart=9/60s
0s  grant web 1                => start web.w
1s  started web.w              => probe web              | starting
2s  bad web/tcp refused
3s  bad web/tcp refused
4s  bad web/tcp refused                                  | starting
5s  ok web/tcp fine
6s  bad web/tcp refused
7s  ok web/http fine
8s  ok web/tcp fine                                      | starting
9s  ok web/tcp fine            => up web 1               | running
# A healthy check is believed sick after fall failures in a row, grace or not.
9s  bad web/tcp refused
9s  ok web/tcp fine
9s  bad web/tcp refused                                  | running
10s bad web/tcp refused        => unprobe web, stop web.w | failing "check tcp: refused"
# A late result counts for nothing.
10s bad web/tcp refused
11s stopped web.w              => start web.w            | starting
12s started web.w              => probe web
12s late ok web/tcp fine
12s late ok web/tcp fine
12s late ok web/http fine                                | starting
# After the grace a check that never was healthy has fall failures, in a row or not.
22s bad web/tcp refused
23s ok web/tcp fine                                      | starting
24s bad web/tcp refused        => unprobe web, stop web.w | failing
25s stopped web.w              => start web.w
25s started web.w              => probe web              | starting
# One that was healthy may fall within the grace, before the others rise.
26s ok web/http fine
26s bad web/http 500
26s bad web/http 500                                     | starting
26s bad web/http 500           => unprobe web, stop web.w | failing "check http: 500"
