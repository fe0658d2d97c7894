package boot

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The id is the kernel's, and its text is the kernel's too: an older program's page
// compares them octet by octet.
func TestID(t *testing.T) {
	text, err := os.ReadFile(idFile)
	if err != nil {
		t.Skip(err)
	}
	id, err := ReadID()
	if err != nil || id.String() != strings.TrimSpace(string(text)) || len(id.String()) != TextSize {
		t.Errorf("read %s, %v; the kernel has %s", id, err, text)
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{"", "\n", "0123", "zz" + strings.Repeat("0", 30), strings.Repeat("0", 34)} {
		if id, err := parse(text); err == nil || id != (ID{}) {
			t.Errorf("%q was taken for %s", text, id)
		}
	}
}

// The clock counts the time in which the host sleeps.
func TestNow(t *testing.T) {
	var before, after unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &before); err != nil {
		t.Fatal(err)
	}
	now := int64(Now())
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &after); err != nil {
		t.Fatal(err)
	}
	if now < before.Nano() || now > after.Nano() {
		t.Errorf("%d is not between %d and %d", now, before.Nano(), after.Nano())
	}
}
