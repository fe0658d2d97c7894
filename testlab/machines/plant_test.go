package machines

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/machines/image"
	"vipd/vipd/control"
)

// plantGroups are a data server on every node, which the shared address requires, a
// historian on one, and a database of current values beside it. The first check is
// answered by the kernel while the program hangs, the second is not.
const plantGroups = `
[group.dataserver]
kind  = "dataserver"
units = ["` + image.Mosquitto + `"]
check = ["tcp://127.0.0.1:1883", "exec:/usr/bin/mosquitto_pub -h 127.0.0.1 -t check -n"]

[group.historian]
kind  = "historian"
units = ["` + Writer + `"]
failback_delay        = "1s"
failback_max_per_hour = 0
disable_inheritance   = true

[group.rtdb]
kind  = "rtdb"
units = ["` + image.Redis + `"]
check = ["tcp://127.0.0.1:6379"]
with  = ["historian"]
failback_delay        = "1s"
failback_max_per_hour = 0
disable_inheritance   = true

[expert]
check_interval = "200ms"
check_timeout  = "1s"
rise           = 2
fall           = 2
start_grace    = "5s"
`

// plantConfig is the usual configuration with the groups; edits are pairs of a text
// and what stands in its place.
func plantConfig(edits ...string) string {
	front := "address = \"192.0.2.10/24\"\n"
	text := strings.Replace(Config, front, front+"requires = [\"dataserver\"]\nfailback_delay = \"1s\"\nfailback_max_per_hour = 0\n", 1)
	return strings.NewReplacer(edits...).Replace(text + plantGroups)
}

// serverConfig is the same with the data server alone.
func serverConfig() string {
	server, _, _ := strings.Cut(plantConfig(), "[group.historian]")
	_, expert, _ := strings.Cut(plantConfig(), "[expert]")
	return server + "[expert]" + expert
}

// inherited is the edit that has silence alone move what one node runs.
var inherited = []string{"disable_inheritance   = true", "disable_inheritance   = false"}

// Tokens of the groups that one node runs.
const (
	historian = "group:historian"
	rtdb      = "group:rtdb"
)

// plant is a pair that runs the groups, and the database that the historian writes to.
type plant struct {
	*Lab
	a, b    *Machine
	writers *Runners
	values  *Runners
}

// startPlant returns when hist-a answers clients, writes the history and has the
// current values.
func startPlant(t *testing.T, edits ...string) *plant {
	t.Helper()
	return startPlantWith(t, nil, edits...)
}

// startPlantWith is startPlant with more files on the disks, see Options.
func startPlantWith(t *testing.T, files map[string]string, edits ...string) *plant {
	t.Helper()
	l := Start(t, Options{Names: []string{A, B, Database}, Config: plantConfig(edits...), Idle: true, Files: files})
	l.OpenHistory()
	p := &plant{l, l.Machine(A), l.Machine(B), l.Runners(Writer), l.Runners(image.Redis)}
	p.a.Begin()
	p.b.Begin()
	l.settles()
	p.writes(A)
	l.Eventually("the current values are beside it", func() bool { return slices.Equal(p.values.Now(), []string{A}) })
	return p
}

// settles waits until every data server serves and hist-a answers: until then the
// address is with whoever was ready first.
func (l *Lab) settles() {
	l.t.Helper()
	for _, name := range []string{A, B} {
		l.Eventually(name+" serves", func() bool { return l.Machine(name).serves() })
	}
	l.Eventually("hist-a has the address", func() bool { return l.Machine(A).Holds(Front) })
	l.Answers(A)
}

// serves says whether the machine's data server runs and is healthy.
func (m *Machine) serves() bool {
	g := m.group("dataserver")
	return g.State == "running" && !slices.ContainsFunc(g.Checks, func(c control.CheckStatus) bool { return !c.Healthy })
}

// writes waits until the history gets rows of that node, and returns their epoch.
func (p *plant) writes(name string) (epoch uint64) {
	p.t.Helper()
	rows, first := 0, true
	p.Eventually(name+" writes the history", func() bool {
		list := p.Writers()
		if len(list) == 0 {
			return false
		}
		newest := list[len(list)-1]
		if newest.Node != name || newest.Epoch != epoch {
			epoch, rows, first = newest.Epoch, newest.Rows, newest.Node != name
			return false
		}
		return !first && newest.Rows > rows+3
	})
	return epoch
}

// written counts all rows of the history.
func (p *plant) written() (rows int) {
	p.t.Helper()
	for _, w := range p.Writers() {
		rows += w.Rows
	}
	return rows
}

// runs waits until these machines run the group and the others don't.
func (p *plant) runs(w *Runners, names ...string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("%v run %v", names, w.units), func() bool { return slices.Equal(w.Now(), names) })
}

// group is how a machine's vipd sees one of the groups.
func (m *Machine) group(name string) (g control.GroupStatus) {
	s, err := m.Status()
	if err != nil {
		return g
	}
	if i := slices.IndexFunc(s.Groups, func(g control.GroupStatus) bool { return g.Name == name }); i >= 0 {
		g = s.Groups[i]
	}
	return g
}

// audit fails if two wrote, or answered, or ran what one runs, since the beginning.
func (p *plant) audit() {
	p.t.Helper()
	p.OneAnswered(p.Began)
	p.auditHistory()
	for _, w := range []*Runners{p.writers, p.values} {
		if n := w.Together(p.Began); n > 0 {
			p.t.Errorf("%d times together: %v", n, w.Spans(p.Began, time.Now()))
		}
	}
}

// auditHistory fails if a row was accepted beside a newer epoch, or reached the database
// at all while another node was the one that writes, before that one's last row. Where
// the lease does not stop it, only the database does. What a dead writer left in its
// sockets may come when its own node has the lease again: the other has ended by then.
func (p *plant) auditHistory() {
	p.t.Helper()
	over := p.Overlaps()
	p.t.Logf("%d rows overlap of %+v", over, p.Writers())
	if over > 0 {
		p.t.Errorf("%d rows overlap", over)
	}
	late := p.query(`SELECT at, node, epoch, newest FROM refused WHERE EXISTS (
		SELECT FROM history WHERE history.epoch = refused.newest AND history.node <> refused.node AND history.at > refused.at)`)
	if len(late) > 0 {
		p.t.Errorf("these came while another node wrote: %v", late)
	}
}
