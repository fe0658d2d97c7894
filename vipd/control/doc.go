// Package control is the daemon's only entry for people and programs of the
// same host: an HTTP/JSON API on a unix socket, the journal of events behind
// it, and the client that the verbs of the command line use.
//
//	vipd move ──┐                              ┌── Journal ◀── Append ── daemon
//	vipd status ┼─▶ Client ══ vipd.sock ══▶ Server ─▶ Daemon (interface)
//	events -f ──┘            SO_PEERCRED       └── one Error, one exit code
//
// It knows who is asking (from the kernel, never from the request), what may
// be asked, and how much: every request, connection and stream has a limit.
// It never decides anything about nodes or tokens; the Daemon does.
//
// Calls:
//
//	GET  /v1/status                            Status
//	GET  /v1/events?since=SEQ&limit=N          Page
//	GET  /v1/events?since=SEQ&follow=true      Page after Page, one per line
//	POST /v1/move      MoveRequest             MoveResult
//	POST /v1/release   ReleaseRequest          Change
//	POST /v1/suspend   SuspendRequest          Change
//	POST /v1/resume    ResumeRequest           Change
//	POST /v1/reload    ReloadRequest           Change
//	POST /v1/restart   RestartRequest          Change
//	POST /v1/group     GroupOrder              {}
//
// A call that fails answers {"code": …, "message": …}, see Error.
package control
