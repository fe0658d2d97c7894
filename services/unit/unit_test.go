package unit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseCommand(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
		err  string
	}{
		{text: "/bin/scand", want: []string{"/bin/scand"}},
		{text: "  /bin/scand  -f\t-x ", want: []string{"/bin/scand", "-f", "-x"}},
		{text: `/bin/scand "two words" "" a"b c"d`, want: []string{"/bin/scand", "two words", "", "ab cd"}},
		{text: `/bin/scand two\ words \"x\" "a\"b\\" \\`, want: []string{"/bin/scand", "two words", `"x"`, `a"b\`, `\`}},
		{text: `"/opt/my app/run" $HOME ; 'x' > y`, want: []string{"/opt/my app/run", "$HOME", ";", "'x'", ">", "y"}},
		{text: "/bin/../sbin/x", want: []string{"/sbin/x"}},
		{text: "", err: "no program named"},
		{text: `""`, err: "no absolute path"},
		{text: "scand -f", err: "scand is no absolute path"},
		{text: "./scand", err: "no absolute path"},
		{text: `/bin/scand "x`, err: "without its end"},
		{text: `/bin/scand x\`, err: "nothing behind"},
		{text: "/bin/scand a\nb", err: "control character"},
		{text: "/bin/scand \x00", err: "control character"},
		{text: "/bin/sc\xffnd", err: "not UTF-8"},
		{text: "/bin/scand" + strings.Repeat(" x", argumentsMax), err: "more than 256"},
		{text: "/bin/scand " + strings.Repeat("x", commandTextMax), err: "longer than"},
	} {
		got, err := parseCommand(c.text)
		if c.err == "" && (err != nil || !slices.Equal(got, c.want)) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%.60q: %q, %v; want %q, %s", c.text, got, err, c.want, c.err)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, seed := range []string{`/bin/scand "two words" a\ b`, `"`, `\`, "/x \t y", "/\xff", "/bin/cgroup.sh", "/...", "/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words, err := parseCommand(text)
		if err != nil {
			return
		}
		if !filepath.IsAbs(words[0]) || len(words) > argumentsMax || strings.ContainsRune(strings.Join(words, " "), 0) {
			t.Errorf("%q: %q", text, words)
		}
		if err := plainName(folderName(text, words)); err != nil {
			t.Errorf("%q: folder %q: %v", text, folderName(text, words), err)
		}
	})
}

func TestFolderName(t *testing.T) {
	one := folderName("exec:/opt/.my app -a", []string{"/opt/.my app", "-a"})
	other := folderName("exec:/opt/.my app -b", []string{"/opt/.my app", "-b"})
	if one != "my_app-2d6d90c2" || other == one {
		t.Errorf("folders %s and %s", one, other)
	}
	kernels := folderName("exec:/bin/cgroup.procs", []string{"/bin/cgroup.procs"})
	if !strings.HasPrefix(kernels, "cgroup_procs-") {
		t.Errorf("folder %s of a program whose name begins as the kernel's own files", kernels)
	}
}

func TestNewRefuses(t *testing.T) {
	b := setUp(t)
	for _, c := range []struct {
		text, group, want string
	}{
		{"historian", "g", "neither NAME.service nor exec:/path"},
		{"historian.socket", "g", "neither"},
		{"exec:scand", "g", "no absolute path"},
		{".service", "g", "no name"},
		{"a b.service", "g", "no name"},
		{"../x.service", "g", "no name"},
		{"pg@.service", "g", "a template"},
		{"x.service", "", `group ""`},
		{"x.service", "../x", "group"},
		{"x.service", "cgroup.procs", "group"},
		{strings.Repeat("x", 300) + ".service", "g", "longer"},
	} {
		o := b.options()
		o.Group = c.group
		if _, err := New(c.text, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in %s: %v, want %s", c.text, c.group, err, c.want)
		}
	}
	for _, text := range []string{"exec:/bin/true", "pg@15-main.service", `dev-disk\x2d1.service`, "a:b_c.d.service"} {
		u, err := New(text, b.options())
		if err != nil || u.Name() != text {
			t.Errorf("%s: %v, %v", text, u, err)
		}
	}
}

// A folder that is no cgroup2 gives no room to a process.
func TestNewWithoutCgroup(t *testing.T) {
	folder := t.TempDir()
	_, err := New("exec:/bin/true", Options{Group: "g", Dir: t.TempDir(), Cgroup: folder})
	if err == nil || !strings.Contains(err.Error(), "needs cgroup2 of Linux 5.14") {
		t.Errorf("in a plain folder: %v", err)
	}
	_, err = New("exec:/bin/true", Options{Group: "g", Dir: t.TempDir(), Cgroup: "/proc/nowhere"})
	if err == nil || !strings.Contains(err.Error(), "let systemd run the service") {
		t.Errorf("where nobody may write: %v", err)
	}
}

func TestCheckProgram(t *testing.T) {
	b := setUp(t)
	path := filepath.Join(t.TempDir(), "scand")
	for _, c := range []struct {
		mode os.FileMode
		want string
	}{
		{0o755, ""},
		{0o644, "chmod +x"},
		{0o757, "chmod o-w"},
	} {
		os.Remove(path)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chmod(path, c.mode)
		u, err := New("exec:"+path, b.options())
		if err != nil {
			t.Fatal(err)
		}
		err = u.(Checker).Check(t.Context())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("mode %o: %v, want %q", c.mode, err, c.want)
		}
	}
	u, err := New("exec:"+filepath.Dir(path), b.options())
	if err != nil {
		t.Fatal(err)
	}
	if err := u.(Checker).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestOutput(t *testing.T) {
	o := output(filepath.Join(t.TempDir(), "x.log"))
	file, err := o.open(7, theDay)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if line := o.lastLine(); line != "" {
		t.Errorf("nothing was said, last line %q", line)
	}
	for _, c := range []struct{ said, want string }{
		{"one\ntwo\n", "two"},
		{"three\n\n  \n", "three"},
		{"\x1b[31mred\xff", "?[31mred?"},
		{strings.Repeat("\nx", lineWithin) + "\n" + strings.Repeat("é", lineMax) + "\n", strings.Repeat("é", lineMax/2) + "…"},
	} {
		file.WriteString(c.said)
		if got := o.lastLine(); got != c.want {
			t.Errorf("last line %q, want %q", got, c.want)
		}
	}
	again, err := o.open(8, theDay)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if line := o.lastLine(); line != "" {
		t.Errorf("nothing was said in the second run, last line %q", line)
	}
}

// The file is cut while the service writes on to it.
func TestOutputTrim(t *testing.T) {
	o := output(filepath.Join(t.TempDir(), "x.log"))
	if err := o.trim(); err != nil {
		t.Fatal(err) // nothing is there yet
	}
	file, err := o.open(7, theDay)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size := func(path string) int64 {
		about, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return about.Size()
	}
	first := size(string(o))
	file.WriteString(strings.Repeat("x", outputMax-int(first)))
	if err := o.trim(); err != nil || size(string(o)) != outputMax {
		t.Errorf("full but not over: %d octets, %v", size(string(o)), err)
	}
	file.WriteString("last")
	if err := o.trim(); err != nil || size(string(o)) != 0 || size(string(o)+".1") != outputMax {
		t.Errorf("over: %v", err)
	}
	if before, _ := os.ReadFile(string(o) + ".1"); !strings.HasSuffix(string(before), "xlast") {
		t.Error("the last words are not in the predecessor")
	}
	file.WriteString("next")
	if got, _ := os.ReadFile(string(o)); string(got) != "next" {
		t.Errorf("then %.20q", got)
	}
}

// A service that says much is kept within bounds while it runs.
func TestOutputBounded(t *testing.T) {
	b := setUp(t)
	u := b.unit("as-chatterer")
	b.start(u)
	b.await("predecessor", func() bool { _, err := os.Stat(string(u.out) + ".1"); return err == nil })
	b.stop(u)
	b.empty(u)
	b.alive()
}
