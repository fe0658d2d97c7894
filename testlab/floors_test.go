// Package testlab holds what tests the product as a whole: the lab rooms below
// it, and the rules of the house, which this file checks.
package testlab

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// kind is what a room may know beside its floor.
type kind uint8

const (
	open  kind = iota
	pure       // no network, system, lock, goroutine, randomness or clock
	alone      // nothing of ours but its own rooms and multicast, so that others can take them
	plain      // the standard library alone
)

// room is one package's place in the house: it imports lower floors only.
type room struct {
	floor int
	kind  kind
}

// house is every package. A new one is entered here, on the lowest floor on
// which it can live.
var house = map[string]room{
	"vipd":              {8, open},
	"vipd/daemon":       {6, open},
	"vipd/config":       {3, open},
	"vipd/control":      {3, open},
	"vipd/web":          {3, open},
	"redundancy":        {3, open},
	"sharedip":          {3, open},
	"sharedip/announce": {0, pure},
	"sharedip/neighbor": {1, open},
	"sharedip/rtnl":     {0, open},
	"services/unit":     {3, open},
	"services/probe":    {3, open},
	"services/watchdog": {3, open},
	"services/proxy":    {3, open},
	"replica/store":     {3, open},
	"client":            {3, plain},
	"vipd/node":         {2, pure},
	"pgm":               {2, alone},
	"lease":             {2, open},
	"heartbeat":         {1, pure},
	"token":             {1, pure},
	"services":          {1, pure},
	"replica":           {1, pure},
	"pgm/window":        {1, pure},
	"pgm/traffic":       {1, open},
	"host/boot":         {1, open},
	"host/cgroup":       {0, open},
	"host/child":        {0, open},
	"host/mapped":       {0, open},
	"heartbeat/clock":   {0, pure},
	"pgm/packet":        {0, pure},
	"multicast":         {0, alone},
	"multicast/ether":   {1, alone},
	"seal":              {0, open},
}

// daemonRooms are the packages below vipd/daemon.
var daemonRooms = map[string]room{
	"addresses": {5, open},
	"cluster":   {4, open},
	"observe":   {5, open},
	"groups":    {5, open},
	"leasing":   {4, open},
	"preflight": {5, open},
	"sched":     {0, open},
	"state":     {3, open},
}

// lab is the floor of everything in testlab; its rooms may use each other, and
// the product imports none of them.
const lab = 7

// impure is what no pure room imports, and timely the calls that read a clock.
var (
	impure = []string{"net", "os", "syscall", "log", "log/slog", "sync", "context", "math/rand", "unsafe"}
	timely = []string{"Now", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Since", "Until"}
)

const module = "vipd/"

func roomOf(dir string) (room, bool) {
	if strings.HasPrefix(dir, "testlab") {
		return room{floor: lab}, true
	}
	if name, ok := strings.CutPrefix(dir, "vipd/daemon/"); ok {
		r, ok := daemonRooms[name]
		return r, ok
	}
	r, ok := house[dir]
	return r, ok
}

// breaches returns what one file does against the rules of the house.
func breaches(name string, source any) (list []string, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	dir := path.Dir(name)
	r, known := roomOf(dir)
	if !known {
		return []string{fmt.Sprintf("%s:1: %s has no place in the house; enter it in testlab/floors_test.go", name, dir)}, nil
	}
	say := func(at token.Pos, what string) {
		list = append(list, fmt.Sprintf("%s:%d: %s %s", name, files.Position(at).Line, dir, what))
	}
	for _, spec := range file.Imports {
		target, _ := strconv.Unquote(spec.Path.Value)
		if why := forbidden(dir, r, target); why != "" {
			say(spec.Pos(), fmt.Sprintf("must not import %q: %s", target, why))
		}
	}
	if r.kind == pure {
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && isTime(s) {
				say(n.Pos(), fmt.Sprintf("must not call time.%s: time is an argument", s.Sel.Name))
			}
			return true
		})
	}
	return list, nil
}

func isTime(s *ast.SelectorExpr) bool {
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "time" && slices.Contains(timely, s.Sel.Name)
}

// forbidden says why the room may not import the target; empty if it may.
func forbidden(dir string, r room, target string) string {
	if ours, ok := strings.CutPrefix(target, module); ok {
		return forbiddenRoom(dir, r, ours)
	}
	switch {
	case r.kind == pure && slices.ContainsFunc(impure, func(p string) bool { return target == p || strings.HasPrefix(target, p+"/") && target != "net/netip" }):
		return "the core is pure"
	case r.kind == plain && strings.Contains(target, "."):
		return "it is for others to take, with the standard library alone"
	}
	return ""
}

func forbiddenRoom(dir string, r room, target string) string {
	to, known := roomOf(target)
	switch {
	case !known:
		return "it has no place in the house"
	case r.floor == lab && to.floor == lab:
		return ""
	case to.floor == lab:
		return "the lab is for tests; the product does not carry it"
	case r.kind == plain, r.kind == alone && target != "multicast" && !strings.HasPrefix(target, dir+"/"):
		return "it is for others to take, with nothing else of ours"
	case to.floor >= r.floor:
		return fmt.Sprintf("floor %d knows only lower floors, and that is floor %d", r.floor, to.floor)
	}
	return ""
}

func TestFloors(t *testing.T) {
	root := os.DirFS("..")
	files := 0
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != "."):
			return fs.SkipDir
		case d.IsDir(), filepath.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		files++
		list, err := breaches(name, source)
		for _, breach := range list {
			t.Error(breach)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files read: %v", files, err)
	}
}

// What the rule says of sources made up for it.
func TestBreaches(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"token/machine.go", "package token\n\nimport (\n\t\"time\"\n\n\t\"vipd/heartbeat/clock\"\n\t\"net\"\n)", `token/machine.go:7: token must not import "net": the core is pure`},
		{"token/a.go", "package token\nimport \"net/netip\"", ""},
		{"token/a.go", "package token\nimport \"net/http\"", `token/a.go:2: token must not import "net/http": the core is pure`},
		{"token/a.go", "package token\nimport \"math/rand/v2\"", `token/a.go:2: token must not import "math/rand/v2": the core is pure`},
		{"token/a.go", "package token\nimport \"vipd/heartbeat\"", `token/a.go:2: token must not import "vipd/heartbeat": floor 1 knows only lower floors, and that is floor 1`},
		{"token/a.go", "package token\nimport \"time\"\nvar t = time.Now()", "token/a.go:3: token must not call time.Now: time is an argument"},
		{"token/a.go", "package token\nimport \"time\"\nvar t = time.Second", ""},
		{"sharedip/a.go", "package sharedip\nimport (\"net\"; \"time\"; \"vipd/lease\")\nvar t = time.Now()", ""},
		{"sharedip/a.go", "package sharedip\nimport \"vipd/vipd/daemon\"", `sharedip/a.go:2: sharedip must not import "vipd/vipd/daemon": floor 3 knows only lower floors, and that is floor 6`},
		{"sharedip/a.go", "package sharedip\nimport \"vipd/cellar\"", `sharedip/a.go:2: sharedip must not import "vipd/cellar": it has no place in the house`},
		{"pgm/a.go", "package pgm\nimport \"vipd/pgm/packet\"", ""},
		{"pgm/a.go", "package pgm\nimport \"vipd/seal\"", `pgm/a.go:2: pgm must not import "vipd/seal": it is for others to take, with nothing else of ours`},
		{"client/a.go", "package client\nimport \"golang.org/x/net\"", `client/a.go:2: client must not import "golang.org/x/net": it is for others to take, with the standard library alone`},
		{"vipd/main.go", "package main\nimport \"vipd/testlab/demo\"", `vipd/main.go:2: vipd must not import "vipd/testlab/demo": the lab is for tests; the product does not carry it`},
		{"vipd/main.go", "package main\nimport \"vipd/testlab/rig\"", `vipd/main.go:2: vipd must not import "vipd/testlab/rig": the lab is for tests; the product does not carry it`},
		{"testlab/stories/a.go", "package stories\nimport \"vipd/testlab/sim\"", ""},
		{"cellar/a.go", "package cellar", "cellar/a.go:1: cellar has no place in the house; enter it in testlab/floors_test.go"},
	} {
		list, err := breaches(c.name, c.source)
		if got := strings.Join(list, "\n"); err != nil || got != c.want {
			t.Errorf("%s:\n got %s (%v)\nwant %s", c.source, got, err, c.want)
		}
	}
}
