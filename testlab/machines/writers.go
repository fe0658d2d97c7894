package machines

import (
	"strconv"
	"strings"

	"vipd/testlab/machines/image"
)

// databaseAddress is where the writers find the database, in the laboratory.
const databaseAddress = "192.0.2.50:5432"

// psql is the program itself: what Debian has in its place looks for it, which takes
// longer than an answer.
const psql = "/usr/lib/postgresql/15/bin/psql"

// schema is the table of the history, and what guards it: only who has the newest epoch
// writes, one node has an epoch, and who was refused is remembered.
const schema = `
CREATE ROLE writer LOGIN;
CREATE DATABASE history OWNER writer;
\connect history writer 192.0.2.50
CREATE TABLE fence (epoch numeric(20) NOT NULL, node text NOT NULL);
INSERT INTO fence VALUES (0, '');
CREATE TABLE history (place bigserial PRIMARY KEY, node text NOT NULL, epoch numeric(20) NOT NULL,
	sequence bigint NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE refused (place bigserial PRIMARY KEY, node text NOT NULL, epoch numeric(20) NOT NULL,
	newest numeric(20) NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
`

// OpenHistory starts the database and makes the table of the history in it. The
// laboratory must have been started with the machine Database.
func (l *Lab) OpenHistory() {
	l.t.Helper()
	db := l.Machine(Database)
	db.Systemctl("start", image.Postgres)
	db.Write("/run/schema.sql", schema)
	db.Run("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups",
		psql, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file=/run/schema.sql")
}

// Tenure is what the history has of one node's epoch.
type Tenure struct {
	Node    string
	Epoch   uint64
	Rows    int // accepted
	Refused int // times that it tried beside a newer epoch
}

// Writers lists who wrote the history or tried to, by epoch.
func (l *Lab) Writers() (list []Tenure) {
	l.t.Helper()
	for _, row := range l.query(`SELECT epoch, node, sum(rows), sum(refused) FROM (
			SELECT epoch, node, count(*) AS rows, 0 AS refused FROM history GROUP BY epoch, node
			UNION ALL SELECT epoch, node, 0, count(*) FROM refused GROUP BY epoch, node) AS each
		GROUP BY epoch, node ORDER BY epoch, node`) {
		list = append(list, Tenure{Node: row[1], Epoch: l.number(row[0]), Rows: int(l.number(row[2])), Refused: int(l.number(row[3]))})
	}
	return list
}

// Overlaps counts the rows that were accepted although an older row has a newer epoch,
// or the same one of another node. Rows are numbered in the order of their commits.
func (l *Lab) Overlaps() int {
	l.t.Helper()
	rows := l.query(`SELECT count(*) FROM history AS late WHERE EXISTS (
		SELECT FROM history AS early WHERE early.place < late.place
		AND (early.epoch > late.epoch OR early.epoch = late.epoch AND early.node <> late.node))`)
	return int(l.number(rows[0][0]))
}

// Gaps counts the rows whose sequence number does not follow the one before it of the
// same epoch: each is where rows were lost. A writer that starts again begins at 1.
func (l *Lab) Gaps() int {
	l.t.Helper()
	rows := l.query(`SELECT count(*) FROM (SELECT sequence, sequence - lag(sequence, 1, 0::bigint)
		OVER (PARTITION BY epoch, node ORDER BY place) AS step FROM history) AS steps WHERE step <> 1 AND sequence <> 1`)
	return int(l.number(rows[0][0]))
}

// query asks the database of the history.
func (l *Lab) query(text string) (rows [][]string) {
	l.t.Helper()
	out := l.Machine(Database).Run(psql, "--no-psqlrc", "--tuples-only", "--no-align", "--field-separator=|",
		"--set=ON_ERROR_STOP=1", "--host=192.0.2.50", "--username=writer", "--dbname=history", "--command="+text)
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line != "" {
			rows = append(rows, strings.Split(line, "|"))
		}
	}
	return rows
}

func (l *Lab) number(text string) uint64 {
	l.t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		l.t.Fatalf("the database answers %q where a number is due", text)
	}
	return n
}
