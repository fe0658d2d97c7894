package watchdog

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/host/boot"
)

// A reader of the log that is gone, or reads no more, keeps no group alive.
func TestLogWithoutReader(t *testing.T) {
	for _, c := range []struct {
		name  string
		after func(reader, writer *os.File)
	}{
		{"gone", func(reader, _ *os.File) { reader.Close() }},
		{"does not read", func(_, writer *os.File) {
			fd := int(writer.Fd())
			unix.SetNonblock(fd, true)
			for err := error(nil); err == nil; { // until the pipe is full
				_, err = unix.Write(fd, make([]byte, 1))
			}
			unix.SetNonblock(fd, false)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			page := p.page()
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer writer.Close()
			defer reader.Close()
			if _, err := unix.FcntlInt(writer.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil {
				t.Fatal(err)
			}
			o := p.options()
			o.Output = writer
			k, err := Ensure(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { kill(k.PID) })
			c.after(reader, writer)
			group := p.group("historian")
			service := p.start(group, "service")
			if err := page.Guard(group, boot.Now().Add(50*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			await(t, "the end of the group", func() bool { return !service.alive() })
		})
	}
}
