package probe

import (
	"errors"
	"io"
	"net/url"
	"strings"
	"syscall"
	"unicode"
)

// wordsLimit is the most octets of a result's text.
const wordsLimit = 160

// words says an error in as few words as an operator needs: the address stands
// beside them anyway.
func words(err error) string {
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
	if len(text) > wordsLimit {
		text = strings.ToValidUTF8(text[:wordsLimit-3], "") + "..."
	}
	return strings.TrimSpace(text)
}
