package probe

import (
	"errors"
	"io"
	"net/url"
	"strings"
	"syscall"
	"unicode"
)

// textLimit is the most octets of a result's text.
const textLimit = 160

// errorText says an error in as few words as an operator needs: the address stands
// beside them anyway.
func errorText(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "closed without an answer"
	}
	var web *url.Error
	if errors.As(err, &web) {
		err = web.Err
	}
	return line(err.Error())
}

// line makes one printable line of what a program or a server said.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > textLimit {
		text = strings.ToValidUTF8(text[:textLimit-3], "") + "..."
	}
	return strings.TrimSpace(text)
}
