package rig_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"vipd/testlab/rig"
)

// roleVariable makes the test binary play a part instead of running tests.
const roleVariable = "VIPD_RIG_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		switch role {
		case "refused":
			forbidNamespaces()
		case "calling": // is in a host's namespaces already
			os.Exit(callAndHold(os.Args[1]))
		}
		if err := rig.Enter(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(roles[role]())
	}
	os.Exit(rig.Main(m))
}

// roles are the parts, each returning an exit code.
var roles = map[string]func() int{
	"code": func() int { return 42 },
	"killed": func() int {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		return 0
	},
	"signalled": func() int {
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, syscall.SIGTERM)
		fmt.Println("ready")
		<-caught
		return 43
	},
	"sleeping": func() int { // says who it is by its network namespace, then stays
		network, _ := os.Readlink("/proc/self/ns/net")
		fmt.Println(network)
		time.Sleep(time.Minute)
		return 0
	},
	"orphaning": func() int { // leaves a child of a dead parent to pid 1
		exec.Command("/bin/sh", "-c", "sleep 0.01 & exit 0").Run()
		return awaitTrue(2*time.Second, func() bool { return processes() == 2 }) // pid 1 and us
	},
	"lab": func() int {
		err := rig.With(func(lab *rig.Lab) error {
			return exchange(lab)
		})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		return 0
	},
}

// forbidNamespaces makes the kernel refuse any more of them, to the user namespace that
// the test which plays this role made for it.
func forbidNamespaces() {
	if ids, _ := os.ReadFile("/proc/self/uid_map"); strings.Contains(string(ids), "4294967295") {
		return // the host's own: not ours to change
	}
	os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0)
}

func TestRefusalReachesTheUser(t *testing.T) {
	rig.Need(t, rig.Netns)
	out, code := run(t, "refused", func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
	})
	if code != 1 || !strings.Contains(out, "sysctl -w user.max_net_namespaces=") || !strings.Contains(out, "sudo") {
		t.Errorf("exit code %d, output %q", code, out)
	}
}

// run plays a role in a process of its own and returns its output and exit code.
func run(t *testing.T, role string, change func(*exec.Cmd)) (string, int) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	if change != nil {
		change(cmd)
	}
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestExitCodePassesThrough(t *testing.T) {
	rig.Need(t, rig.Netns)
	for role, want := range map[string]int{"code": 42, "killed": 128 + int(syscall.SIGKILL)} {
		if out, code := run(t, role, nil); code != want {
			t.Errorf("%s: exit code %d, want %d; output %q", role, code, want, out)
		}
	}
}

func TestSignalPassesThrough(t *testing.T) {
	rig.Need(t, rig.Netns)
	cmd, lines := begin(t, "signalled")
	if line := lines(); line != "ready" {
		t.Fatalf("began with %q", line)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 43 {
		t.Errorf("exit code %d, want 43", code)
	}
}

func TestNothingOutlivesTheOuterProcess(t *testing.T) {
	rig.Need(t, rig.Netns)
	cmd, lines := begin(t, "sleeping")
	network := lines()
	if !strings.HasPrefix(network, "net:") {
		t.Fatalf("began with %q", network)
	}
	if !inUse(network) {
		t.Fatalf("%s is not to be seen while it is in use", network)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if awaitTrue(5*time.Second, func() bool { return !inUse(network) }) != 0 {
		t.Errorf("%s is still in use after its outer process was killed", network)
	}
}

func TestFirstProcessReapsOrphans(t *testing.T) {
	rig.Need(t, rig.Netns)
	if out, code := run(t, "orphaning", nil); code != 0 {
		t.Errorf("an orphan stays a zombie; output %q", out)
	}
}

func TestOrdinaryUserBuildsALab(t *testing.T) {
	rig.Need(t, rig.Netns)
	if _, user := rig.Outside(); user {
		t.Skip("these tests are run by an ordinary user already")
	}
	binary := readableCopy(t)
	out, code := run(t, "lab", func(cmd *exec.Cmd) {
		cmd.Path = binary
		cmd.Dir = "/"
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	})
	if code != 0 {
		t.Errorf("exit code %d, output %q", code, out)
	}
}

// begin plays a role and leaves it running; lines returns its next line of output.
func begin(t *testing.T, role string) (*exec.Cmd, func() string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	scanner := bufio.NewScanner(stdout)
	return cmd, func() string { scanner.Scan(); return scanner.Text() }
}
