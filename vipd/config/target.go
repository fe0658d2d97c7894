package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// schemes are the ways to ask whether a group works.
var schemes = []string{"tcp", "http", "https", "exec", "unit"}

const (
	targetRule = "expected tcp://127.0.0.1:1883, http://127.0.0.1/, exec:/path or unit:NAME.service"
	unitRule   = "is no unit; expected unit:NAME.service"
)

// targets reads what the checks of a group ask. One that is refused stays as it is; the file is refused with it.
func (t table) targets() []string {
	at := t.at.find("check")
	found := t.list("check", "checks", `["tcp://127.0.0.1:1883"]`, MaxChecks)
	for i, text := range found {
		reason, hint := badTarget(text)
		switch {
		case text == "": // refused by list
		case reason != "":
			t.refuse(at.item(i), at.path, fmt.Sprintf("%q %s", text, reason), hint)
		case slices.Contains(found[:i], text):
			t.wrongItem("check", i, "%q is given twice", text)
		}
	}
	return found
}

// badTarget says why text is no check, and what was probably meant; or nothing.
func badTarget(text string) (reason, hint string) {
	scheme, rest, _ := strings.Cut(text, ":")
	switch scheme {
	case "exec":
		if strings.ContainsAny(rest, `'"`) {
			return "holds a quote; nothing but blanks parts the words of a check", ""
		}
		return badCommand(rest), ""
	case "unit":
		if strings.HasSuffix(rest, serviceSuffix) {
			return badService(rest), ""
		}
		if _, hint = badUnit(rest); strings.HasSuffix(hint, serviceSuffix) {
			return unitRule, unitPrefix + hint
		}
		return unitRule, ""
	case "tcp":
		return badURL(text), ""
	case "http", "https":
		return badPage(text), ""
	}
	return "is no check; " + targetRule, meantTarget(text, scheme)
}

// meantTarget guesses the scheme that is missing or misspelt.
func meantTarget(text, scheme string) string {
	switch _, err := netip.ParseAddrPort(text); {
	case err == nil, scheme == "localhost":
		return "tcp://" + text
	case filepath.IsAbs(text):
		return execPrefix + text
	case strings.HasSuffix(text, serviceSuffix):
		return unitPrefix + text
	}
	if near := nearest(scheme, schemes); near != "" {
		return near + strings.TrimPrefix(text, scheme)
	}
	return ""
}

// expectations are what may follow the address of a page, each after a blank.
var expectations = regexp.MustCompile(`^( +(expect=[1-5][0-9]{2}(-[1-5][0-9]{2})?|body=("([^"\\]|\\["\\])+"|[^" ][^ ]*)|insecure))* *$`)

// badPage says why nobody can be asked for the page at text, or nothing.
func badPage(text string) string {
	address, _, _ := strings.Cut(text, " ")
	if reason := badURL(address); reason != "" {
		return reason
	}
	if !expectations.MatchString(text[len(address):]) {
		return `goes on after the address; expected nothing, or expect=200-299, body="ok" or insecure`
	}
	return ""
}

// badURL says why nobody can be asked at text, or nothing. The host is a literal address or localhost: a check that
// waits for the name service fails when that does.
func badURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return "has no address; " + targetRule
	}
	tcp := u.Scheme == "tcp"
	switch port, err := strconv.Atoi(u.Port()); {
	case strings.Count(u.Host, ":") > 1 && !strings.HasPrefix(u.Host, "["):
		return "needs brackets around the address, as in tcp://[::1]:1883"
	case tcp && u.Port() == "":
		return "has no port; expected one such as tcp://127.0.0.1:1883"
	case u.Port() != "" && (err != nil || port < 1 || port > 65535):
		return "has a port outside 1..65535"
	case tcp && !strings.HasSuffix(text, ":"+u.Port()):
		return "goes on after the port; expected one such as tcp://127.0.0.1:1883"
	}
	return badHost(u.Hostname())
}

// address is the literal address that c asks, or none.
func (c Check) address() netip.Addr {
	text, _, _ := strings.Cut(c.Target, " ")
	u, err := url.Parse(text)
	if err != nil {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(u.Hostname())
	return a
}

func badHost(name string) string {
	a, err := netip.ParseAddr(name)
	switch {
	case name == "localhost" || err == nil && a.IsLoopback():
		return ""
	case err != nil:
		return "names a host; give its address, or localhost, so that no name service is needed"
	}
	if reason := unusable(a); reason != "" {
		return fmt.Sprintf("asks %s, which %s", a, reason)
	}
	return ""
}
