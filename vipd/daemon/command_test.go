package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/token"
	"vipd/vipd/control"
	"vipd/vipd/node"
)

func code(err error) int {
	var e *control.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return -1
}

// An operator's words, from either node, in the order of a working day.
func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		for _, at := range []*host{p.a, p.b} {
			ctx := t.Context()
			from := time.Now()
			dry, err := at.d.Move(ctx, control.MoveRequest{Token: front, To: "hist-b", DryRun: true})
			if err != nil || dry.From != "hist-a" || dry.ExpectedOutageMS <= 0 || dry.Epoch != 0 || len(p.a.hands.After(from, "drop")) != 0 {
				t.Fatalf("dry run: %+v, %v", dry, err)
			}
			epoch := tokenOf(at.d.Status(), front).Epoch
			m, err := at.d.Move(ctx, control.MoveRequest{Token: front, To: "hist-b"})
			if err != nil || !p.b.hands.Holds(front) || p.a.hands.Holds(front) || m.Epoch <= epoch || m.TookMS <= 0 {
				t.Fatalf("move: %+v, %v", m, err)
			}
			if s := tokenOf(at.d.Status(), front); s.PinnedTo != "hist-b" {
				t.Errorf("pinned to %q", s.PinnedTo)
			}
			time.Sleep(3 * time.Second)
			if !p.b.hands.Holds(front) {
				t.Error("did not stay where it was moved")
			}
			back, err := at.d.Release(ctx, control.ReleaseRequest{Token: front})
			if err != nil || len(back.Moves) != 1 || back.Moves[0].To != "hist-a" || back.Moves[0].Epoch <= m.Epoch || !p.a.hands.Holds(front) {
				t.Fatalf("release: %+v, %v", back, err)
			}
			if again, err := at.d.Release(ctx, control.ReleaseRequest{Token: front}); err != nil || !strings.Contains(again.Text, "already") {
				t.Errorf("second release: %+v, %v", again, err)
			}
			out, err := at.d.Suspend(ctx, control.SuspendRequest{Node: "hist-a"})
			if err != nil || len(out.Moves) != 1 || out.Moves[0].To != "hist-b" || out.Moves[0].Epoch <= back.Moves[0].Epoch || !p.b.hands.Holds(front) {
				t.Fatalf("suspend: %+v, %v", out, err)
			}
			if _, err := at.d.Suspend(ctx, control.SuspendRequest{Node: "hist-b"}); code(err) != control.CodeUnsafe || !strings.Contains(err.Error(), "--force") {
				t.Fatalf("suspending the last fit node: %v", err)
			}
			if _, err := at.d.Suspend(ctx, control.SuspendRequest{Node: "hist-b", DryRun: true}); code(err) != control.CodeUnsafe {
				t.Errorf("dry run of it: %v", err)
			}
			if _, err := at.d.Move(ctx, control.MoveRequest{Token: front, To: "hist-a"}); code(err) != control.CodeFailed || !p.b.hands.Holds(front) {
				t.Errorf("a move to a node that is out: %v", err)
			}
			if _, err := at.d.Move(ctx, control.MoveRequest{Token: front, To: "hist-a", DryRun: true}); code(err) != control.CodeFailed {
				t.Errorf("dry run of it: %v", err)
			}
			if _, err := at.d.Move(ctx, control.MoveRequest{Token: front, To: "hist-a"}); err == nil || !strings.Contains(err.Error(), "suspended") {
				t.Errorf("it does not say why: %v", err)
			}
			if dry, err := at.d.Resume(ctx, control.ResumeRequest{Node: "hist-a", DryRun: true}); err != nil || !strings.Contains(dry.Text, "would") {
				t.Errorf("dry run of resume: %+v, %v", dry, err)
			}
			if _, err := at.d.Resume(ctx, control.ResumeRequest{Node: "hist-a"}); err != nil {
				t.Fatal(err)
			}
			p.settle()
			time.Sleep(time.Second)
		}
	})
}

// An order to a node that is not heard is refused at once.
func TestOrdersToASilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.b.kill()
		time.Sleep(time.Second)
		from := time.Now()
		_, suspended := p.a.d.Suspend(t.Context(), control.SuspendRequest{Node: "hist-b"})
		_, resumed := p.a.d.Resume(t.Context(), control.ResumeRequest{Node: "hist-b"})
		_, moved := p.a.d.Move(t.Context(), control.MoveRequest{Token: front, To: "hist-b"})
		for _, err := range []error{suspended, resumed, moved} {
			if code(err) != control.CodeFailed || !strings.Contains(err.Error(), "not heard") {
				t.Errorf("refused with %v", err)
			}
		}
		if waited := time.Since(from); waited != 0 {
			t.Errorf("waited %v", waited)
		}
	})
}

// With nobody else there, force suspends, and the disk remembers.
func TestSuspendOutlivesADaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.b.kill()
		time.Sleep(time.Second)
		c, err := p.a.d.Suspend(t.Context(), control.SuspendRequest{Node: "hist-a", Force: true})
		if err != nil || p.a.hands.Holds(front) || len(c.Moves) != 0 {
			t.Fatalf("%+v, %v", c, err)
		}
		p.a.kill()
		p.a.boot()
		time.Sleep(time.Second)
		if s := p.a.d.Status(); s.Nodes[0].State != control.NodeSuspended {
			t.Errorf("came back %s", s.Nodes[0].State)
		}
		p.b.boot()
		p.until(p.b, front)
	})
}

// A loop that does not step lets nobody wait for longer than they want to.
func TestCommandsToAWedgedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		wedge := make(chan struct{})
		p.a.d.loop.events <- callOnLoop{func() { <-wedge }}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := p.a.d.Resume(ctx, control.ResumeRequest{Node: "hist-a"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		close(wedge)
	})
}

func TestOutcome(t *testing.T) {
	for _, c := range []struct {
		reply node.Reply
		code  int
		want  string
	}{
		{node.Reply{}, -1, ""},
		{node.Reply{Late: true}, control.CodeTimeout, "not seen done in time"},
		{node.Reply{Why: token.NotFit}, control.CodeFailed, "move x: " + token.NotFit.String()},
	} {
		err := outcome(c.reply, "move x")
		if code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.reply, err)
		}
	}
}
