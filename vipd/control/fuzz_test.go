package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzCalls: whatever is asked, the answer is one JSON value, a refusal has a
// code and a message, and the daemon meets known names only.
func FuzzCalls(f *testing.F) {
	for _, call := range []string{"/v1/move", "/v1/release", "/v1/suspend", "/v1/resume", "/v1/restart", "/v1/group", "/v1/nothing"} {
		f.Add("POST", call, "", `{"token":"vip:front","to":"hist-b","dry_run":true}`)
		f.Add("POST", call, "x=1", `{"node":"hist-b","force":true}`)
		f.Add("POST", call, "", `{"name":"historian","verb":"restart","both":true}`)
		f.Add("POST", call, "", `{}{}`)
	}
	f.Add("GET", "/v1/status", "", "")
	f.Add("GET", "/v1/events", "since=1&limit=2", "")
	f.Add("GET", "/v1/events", "since=18446744073709551615&limit=18446744073709551615", "")
	f.Add("GET", "/v1/events", "follow=true", "")
	f.Add("GET", "/v1/events", "since=%zz;", "")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		d, j := &fakeDaemon{status: pair()}, NewJournal()
		j.Append(Event{Text: "begun"})
		s := &Server{daemon: d, journal: j, log: slog.New(slog.DiscardHandler), socket: new(socket), follow: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), callerKey{}, Caller{}))
		cancel() // so that a stream ends
		r, err := http.NewRequestWithContext(ctx, method, "http://vipd/", strings.NewReader(body))
		if err != nil {
			t.Skip("not a method")
		}
		r.URL = &url.URL{Path: path, RawQuery: query}
		w := httptest.NewRecorder()
		s.routes().ServeHTTP(w, r)
		if w.Code >= 300 && w.Code < 400 {
			return // the mux tidies paths such as //v1
		}
		if text := w.Body.Bytes(); len(text) > 0 && !json.Valid(text) {
			t.Fatalf("not JSON: %q", text)
		}
		var e Error
		if w.Code != http.StatusOK && (json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Code == 0 || e.Message == "") {
			t.Fatalf("status %d with %q", w.Code, w.Body)
		}
		known := namesOf(d.status)
		for _, q := range d.requests() {
			if m, ok := q.(MoveRequest); ok && (known.checkToken(m.Token) != nil || known.checkNode(m.To) != nil) {
				t.Fatalf("the daemon was asked %+v", m)
			}
			if o, ok := q.(GroupOrder); ok && (checkName("group", o.Name, known.groups) != nil || o.Node != "" && known.checkNode(o.Node) != nil || o.Both && o.Verb != GroupRestart) {
				t.Fatalf("the daemon was asked %+v", o)
			}
		}
	})
}
