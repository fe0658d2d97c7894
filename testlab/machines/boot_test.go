package machines

import "testing"

func TestBoot(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{})
	l.Answers(A)
	for _, m := range l.Machines() {
		t.Log(m.Run("sh", "-c", "systemctl list-units --type=service --no-legend; systemd-analyze; cat /proc/1/status | grep Cap; systemctl status vipd; systemd-cgls --no-pager | head -30; ip -br addr"))
		s, err := m.Status()
		t.Logf("%+v %v", s, err)
	}
}
