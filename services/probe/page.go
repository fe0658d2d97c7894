package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Limits of one web check.
const (
	redirects   = 3        // that are followed
	bodyLimit   = 64 << 10 // octets that are read
	headLimit   = 64 << 10 // octets of the answer's header, and of what else is no body
	leastStatus = 100
	lastStatus  = 599
)

// page is a web page and what is expected of it.
type page struct {
	url         string
	from, to    int    // status
	asked       bool   // for that status; else a redirect is followed
	body        []byte // that the body contains
	anyIdentity bool   // whatever the certificate says
}

func parsePage(text string) (kind, error) {
	address, rest, _ := strings.Cut(text, " ")
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if u.User != nil {
		return nil, errors.New("a user or password has no place in a check")
	}
	if n := u.Port(); n != "" {
		if n, err := strconv.ParseUint(n, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("port %q: want 1 to 65535", u.Port())
		}
	}
	if err := literal(u.Hostname()); err != nil {
		return nil, err
	}
	p := page{url: address, from: 200, to: 399}
	for rest = strings.TrimLeft(rest, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		if rest, err = p.expect(rest); err != nil {
			return nil, err
		}
	}
	if p.anyIdentity && u.Scheme != "https" {
		return nil, errors.New("insecure: there is no certificate without https")
	}
	return p, nil
}

// expect reads one expectation and returns what follows it.
func (p *page) expect(text string) (rest string, err error) {
	if quoted, ok := strings.CutPrefix(text, "body="); ok && strings.HasPrefix(quoted, `"`) {
		q, err := strconv.QuotedPrefix(quoted)
		if err != nil || len(quoted) > len(q) && quoted[len(q)] != ' ' {
			return "", fmt.Errorf("%s: the quotes don't match", text)
		}
		body, _ := strconv.Unquote(q) // the prefix is one that can be unquoted
		p.body = []byte(body)
		return quoted[len(q):], p.vetBody()
	}
	word, rest, _ := strings.Cut(text, " ")
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "expect":
		return rest, p.expectStatus(value)
	case "body":
		p.body = []byte(value)
		return rest, p.vetBody()
	case "insecure":
		if word != key {
			return "", fmt.Errorf("%s: insecure has no value", word)
		}
		p.anyIdentity = true
		return rest, nil
	}
	return "", fmt.Errorf("%s: want expect=, body= or insecure", word)
}

func (p *page) vetBody() error {
	if len(p.body) == 0 {
		return errors.New("body=: no text given")
	}
	return nil
}

func (p *page) expectStatus(value string) error {
	first, last, isRange := strings.Cut(value, "-")
	if !isRange {
		last = first
	}
	var errs [2]error
	p.from, errs[0] = strconv.Atoi(first)
	p.to, errs[1] = strconv.Atoi(last)
	p.asked = true
	if errors.Join(errs[:]...) != nil || p.from < leastStatus || p.to > lastStatus || p.from > p.to {
		return fmt.Errorf("expect=%s: want a status such as 200 or 200-299", value)
	}
	return nil
}

func (page) validate() error { return nil }

func (p page) open(Options) checker {
	return &visitor{p, &http.Client{
		CheckRedirect: p.redirect,
		Transport:     httpTransport{&tls.Config{InsecureSkipVerify: p.anyIdentity}},
	}}
}

// redirect decides whether the next page is looked at.
func (p page) redirect(next *http.Request, before []*http.Request) error {
	if code := next.Response.StatusCode; p.asked && p.from <= code && code <= p.to {
		return http.ErrUseLastResponse
	}
	if len(before) > redirects {
		return fmt.Errorf("more than %d redirects", redirects)
	}
	if scheme := next.URL.Scheme; scheme != "http" && scheme != "https" {
		return fmt.Errorf("redirected to %s", scheme)
	}
	if err := literal(next.URL.Hostname()); err != nil {
		return fmt.Errorf("redirected: %w", err)
	}
	return nil
}

// visitor looks at a page.
type visitor struct {
	page
	client *http.Client
}

func (v *visitor) check(ctx context.Context) (string, error) {
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url, nil)
	if err != nil {
		return "", err
	}
	ask.Header.Set("User-Agent", "vipd")
	answer, err := v.client.Do(ask)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	status := fmt.Sprintf("status %d", answer.StatusCode)
	if answer.StatusCode < v.from || answer.StatusCode > v.to {
		return "", errors.New(status)
	}
	if v.body == nil {
		return status, nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, bodyLimit))
	if bytes.Contains(body, v.body) {
		return status, nil
	}
	if err != nil {
		return "", err
	}
	return "", fmt.Errorf("%s, but the body does not contain %q", status, v.body)
}
