package child

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "tell" {
		tell(os.Args[2])
	}
	if len(os.Args) > 2 && os.Args[1] == "locked" {
		os.Exit(locked())
	}
	os.Exit(rig.Main(m))
}

// locked is a daemon whose memory is locked beyond what an ordinary process may lock; it
// maps more on a thread that has given its rights up.
func locked() int {
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		fmt.Println("SKIP", err)
		return 0
	}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{}); err != nil {
		fmt.Println("SKIP", err)
		return 0
	}
	var kept [][]byte
	id, err := Rights{}.identity()
	onThread(func() {
		if err == nil {
			err = id.dropRights()
		}
		for range 16 {
			kept = append(kept, make([]byte, 8<<20))
		}
	})
	if err == nil {
		err = Rights{}.CheckProgram("/bin/sh")
	}
	fmt.Println(len(kept), err)
	return 0
}

// told is the report of a process about itself, from its first instructions.
type told struct {
	Status                 map[string]string // of /proc/self/status
	OOM                    string
	Nice, Policy           int
	Memlock, NiceMax, Prio unix.Rlimit
	Env                    []string
	Files                  []string
	Session                bool
	Keyring                int
	Slack                  int
	Files2                 string // why stderr can't be opened by its name
}

// tell writes the report of this process to the standard output, which may be a file that
// its user could not open.
func tell(string) {
	var t told
	text, _ := os.ReadFile("/proc/self/oom_score_adj")
	t.OOM = strings.TrimSpace(string(text))
	t.Status = map[string]string{}
	text, _ = os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		t.Status[key] = strings.Join(strings.Fields(value), " ")
	}
	if n, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil {
		t.Nice = 20 - n
	}
	_ = unix.Getrlimit(unix.RLIMIT_MEMLOCK, &t.Memlock)
	_ = unix.Getrlimit(unix.RLIMIT_NICE, &t.NiceMax)
	_ = unix.Getrlimit(unix.RLIMIT_RTPRIO, &t.Prio)
	t.Env = os.Environ()
	sid, _ := unix.Getsid(0)
	t.Session = sid == os.Getpid()
	t.Keyring, _ = unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if f, err := os.OpenFile("/dev/stderr", os.O_WRONLY, 0); err != nil {
		t.Files2 = err.Error()
	} else {
		f.Close()
	}
	signal.Reset()
	json.NewEncoder(os.Stdout).Encode(t)
	os.Exit(0)
}

func await(t *testing.T, what string, come func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !come(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no sign of %s", what)
		}
	}
}

func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}

func gone(pid int) bool { return unix.Kill(pid, 0) == unix.ESRCH }
