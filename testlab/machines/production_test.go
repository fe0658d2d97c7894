package machines

import (
	"slices"
	"strings"
	"testing"

	"vipd/testlab/machines/image"
)

// producer makes a row for each second until it is stopped: of the second alone, which
// is the same on every node, or with a reading of the node's own. The database keeps
// one of rows that are alike, and notes who came.
const producer = `while :; do
	slot=$(date +%s)
	value=$((slot % 7))
	[ "$1" = same ] || value=$(uname -n)
	` + psql + ` -h 192.0.2.50 -U writer -d history -q -c "INSERT INTO made VALUES ('$1', $slot, '$value') ON CONFLICT DO NOTHING;
		INSERT INTO came VALUES ('$1', $slot, '$(uname -n)') ON CONFLICT DO NOTHING"
	sleep 0.3
done
`

// production is the tables of what was made, and of who came.
const production = `\connect history writer 192.0.2.50
CREATE TABLE made (kind text, slot bigint, value text, PRIMARY KEY (kind, slot, value));
CREATE TABLE came (kind text, slot bigint, node text, PRIMARY KEY (kind, slot, node));
`

// Both nodes produce the same: one copy is kept. What each reads for itself is there
// twice; a group that runs on one node makes it once.
func TestProduction(t *testing.T) {
	t.Parallel()
	files := map[string]string{"usr/local/lib/producer": producer}
	config := Config
	for kind, run := range map[string]string{"same": "both", "read": "both", "once": "one"} {
		unit := "producer-" + kind + ".service"
		files[unitFolder+"/"+unit] = "[Service]\nExecStart=/bin/sh /usr/local/lib/producer " + kind + "\n"
		config += "\n[group." + kind + "]\nrun = \"" + run + "\"\nunits = [\"" + unit + "\"]\n"
	}
	l := Start(t, Options{Names: []string{A, B, Database}, Config: config, Idle: true, Files: files})
	l.OpenHistory()
	l.Machine(Database).Write("/run/production.sql", production)
	l.Machine(Database).Run("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups",
		psql, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file=/run/production.sql")
	l.Machine(A).Begin()
	l.Machine(B).Begin()
	most := func(table, kind string) string {
		rows := l.query(`SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM ` + table + ` WHERE kind = '` + kind + `' GROUP BY slot) AS each`)
		return rows[0][0]
	}
	const seconds = 5
	l.Eventually("both came for some seconds, and one of the other kind", func() bool {
		both := l.query(`SELECT kind, count(*) FROM (SELECT kind, slot FROM came GROUP BY kind, slot HAVING count(*) = 2) AS each GROUP BY kind ORDER BY kind`)
		alone := l.query(`SELECT count(*) FROM came WHERE kind = 'once'`)
		return len(both) == 2 && l.number(both[0][1]) >= seconds && l.number(both[1][1]) >= seconds && l.number(alone[0][0]) >= seconds
	})
	var got []string
	for _, kind := range []string{"same", "read", "once"} {
		got = append(got, kind+" "+most("came", kind)+" made "+most("made", kind))
	}
	if want := []string{"same 2 made 1", "read 2 made 2", "once 1 made 1"}; !slices.Equal(got, want) {
		t.Errorf("%s; want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	l.Machine(Database).Systemctl("stop", image.Postgres)
}
