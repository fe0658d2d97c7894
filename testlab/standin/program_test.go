package standin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(rig.Main(m))
}

// limit is how long anything may take.
const limit = 10 * time.Second

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// plant is a host whose stand-ins a client asks.
type plant struct {
	t      *testing.T
	folder string
	host   *rig.Host
	client *rig.Host
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	lab := rig.Start(t)
	p := &plant{t: t, folder: t.TempDir(), host: lab.Host("a"), client: lab.Host("client")}
	p.host.Plug(lab.Switch("lan"), "eth0", netip.MustParsePrefix("192.0.2.1/24"))
	p.client.Plug(lab.Switch("lan"), "eth0", netip.MustParsePrefix("192.0.2.100/24"))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := Install(exe, p.folder); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *plant) start(kind Kind, epoch int, args ...string) *rig.Proc {
	p.t.Helper()
	proc, err := p.host.Start(rig.Process{Path: Path(p.folder, kind), Env: []string{fmt.Sprintf("VIPD_EPOCH=%d", epoch)},
		Args: append([]string{"-page", "80", "-whims", p.whims()}, args...), Stderr: os.Stderr})
	if err != nil {
		p.t.Fatal(err)
	}
	return proc
}

func (p *plant) whims() string { return filepath.Join(p.folder, "whims") }

// ask connects to the host, says something and reads until the end.
func (p *plant) ask(port, words string) (answer string) {
	p.client.Do(func() error {
		dialer := net.Dialer{Timeout: 200 * time.Millisecond}
		conn, err := dialer.Dial("tcp", "192.0.2.1:"+port)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
		io.WriteString(conn, words)
		text, err := io.ReadAll(conn)
		answer = string(text)
		return err
	})
	return answer
}

// page waits until the status page contains the words.
func (p *plant) page(words string) {
	p.t.Helper()
	eventually(p.t, "the page says "+words, func() bool { return strings.Contains(p.ask("80", "GET / HTTP/1.0\r\n\r\n"), words) })
}

func (p *plant) set(w Whims) {
	p.t.Helper()
	if err := w.Set(p.whims(), "a"); err != nil {
		p.t.Fatal(err)
	}
}

// code waits for the end of a process.
func code(t *testing.T, proc *rig.Proc) int {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var ended *exec.ExitError
	switch err := proc.Wait(ctx); {
	case errors.As(err, &ended):
		return ended.ExitCode()
	case ctx.Err() != nil:
		t.Fatal("it does not end")
	}
	return 0
}

// The same client that asks a responder of the laboratory can ask a data server.
func TestDataServer(t *testing.T) {
	p := newPlant(t)
	d := p.start(DataServer, 0, "-port", "7801")
	probe := p.client.Probe(netip.MustParseAddrPort("192.0.2.1:7801"))
	if err := probe.Steady(t.Context(), "a", 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	p.page("200 OK")
	p.page("host a\n")
	p.set(Whims{Sick: true})
	p.page("503 ")
	p.set(Whims{Mute: true})
	eventually(t, "the page says nothing", func() bool { return p.ask("80", "GET / HTTP/1.0\r\n\r\n") == "" })
	d.Signal(syscall.SIGTERM)
	if c := code(t, d); c != 0 {
		t.Errorf("exit status %d", c)
	}
}

// What whims do to a whole life.
func TestWhims(t *testing.T) {
	p := newPlant(t)
	p.set(Whims{Crash: time.Millisecond})
	if c := code(t, p.start(RTDB, 0, "-port", "7803")); c != exitWhim {
		t.Errorf("exit status %d", c)
	}
	p.set(Whims{Deaf: true, Child: true})
	d := p.start(RTDB, 0, "-port", "7803")
	p.page("200 OK")
	if a := p.ask("7803", "set x 7\nget x\nget y\nput\n"); a != "ok\nvalue 7\nnone\nwhat?\n" {
		t.Errorf("answers %q", a)
	}
	d.Signal(syscall.SIGTERM)
	p.page("values 1")
	d.Kill()
	if c := code(t, p.start(RTDB, 0, "-port", "7803")); c != exitTrouble {
		t.Errorf("exit status %d with the port held by a child", c)
	}
}

// Of two historians the one with the newer epoch writes; one without a store tries on.
func TestHistorian(t *testing.T) {
	p := newPlant(t)
	var s Store
	open := func() {
		p.client.Do(func() error {
			listener, err := net.Listen("tcp", ":7900")
			if err == nil {
				s.Serve(listener)
			}
			return err
		})
	}
	open()
	old := p.start(Historian, 4, "-store", "192.0.2.100:7900")
	eventually(t, "it writes", func() bool { return s.Newest().Epoch == 4 })
	s.Shut()
	p.page("nothing written")
	open()
	p.page("200 OK")
	s.judge(Row{Node: "b", Epoch: 5})
	if c := code(t, old); c != exitRefused {
		t.Errorf("exit status %d after a refusal", c)
	}
	if h := s.History(0); len(h.Refused) != 1 || s.Newest().Epoch != 5 {
		t.Errorf("%d refused, newest %v", len(h.Refused), s.Newest())
	}
}
