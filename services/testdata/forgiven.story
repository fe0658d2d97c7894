# A restart is forgiven after a minute of running; a slow start forgives nothing.
group db units=a restart=1/60s
0s   grant db 1            => start db.a
0s   started db.a          => up db 1
10s  died db.a exit 1      => stop db.a
10s  stopped db.a          => start db.a
10s  started db.a          => up db 1
69s  tick
70s  died db.a exit 1      => stop db.a
70s  stopped db.a          => start db.a
140s startfailed db.a slow => stop db.a
140s stopped db.a          => failed db 1
141s revoke db             => down db
# The last chance, used well: after a minute of running all is forgiven.
142s grant db 2            => start db.a
143s started db.a          => up db 2
203s tick
204s died db.a exit 1      => stop db.a
204s stopped db.a          => start db.a
205s startfailed db.a bad  => stop db.a
205s stopped db.a          => failed db 2
206s revoke db             => down db
# An hour later it is forgotten.
2h   grant db 3            => start db.a
2h   startfailed db.a bad  => stop db.a
2h   stopped db.a          => start db.a
