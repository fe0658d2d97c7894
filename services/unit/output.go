package unit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
)

// output is the file that a service's standard output and error go to. The
// service writes to the file itself: it must neither die nor wait when the
// daemon is gone, as it would on a pipe.
type output string

// Bounds of what is kept of a service's output.
const (
	outputMax  = 1 << 20     // octets of the file, and of the one before it
	trimEvery  = time.Second // between two looks at its size; what is written meanwhile comes on top
	lineMax    = 200         // octets of the last line, in a text
	lineWithin = 4096        // octets at the end of the file where the last line is looked for
)

// ourLine begins a line that the daemon adds, one per start.
const ourLine = "vipd: "

// open opens the file for a new run and notes its begin.
func (o output) open(epoch uint64, now time.Time) (*os.File, error) {
	if err := o.trim(); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(string(o), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(file, "%sstarted at epoch %d, %s\n", ourLine, epoch, now.UTC().Format(time.RFC3339)); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// trim moves what was written to the file's predecessor once it is too long: the
// last part of it, by copying, since the service goes on writing to the file
// that it has open. What it writes between the copy and the cut is lost.
func (o output) trim() error {
	file, err := os.OpenFile(string(o), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size <= outputMax {
		return err
	}
	last, err := io.ReadAll(io.NewSectionReader(file, size-outputMax, outputMax))
	if err != nil {
		return err
	}
	return errors.Join(replaceFile(string(o)+".1", last, 0o640), file.Truncate(0))
}

// lastLine is the last line that the service wrote in this run, fit for a text.
func (o output) lastLine() string {
	file, err := os.Open(string(o))
	if err != nil {
		return ""
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	from := max(0, size-lineWithin)
	end, _ := io.ReadAll(io.NewSectionReader(file, from, lineWithin)) // what could be read will do
	text := strings.TrimSpace(string(end))
	line := strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	if strings.HasPrefix(line, ourLine) {
		return ""
	}
	return printable(line, lineMax)
}

// printable makes foreign text fit for a log: one line, of at most so many
// octets.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
