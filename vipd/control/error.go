package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// The exit codes of every verb, and the Code of an Error.
const (
	CodeDone       = 0
	CodeFailed     = 1
	CodeUsage      = 2   // the request itself is wrong: unknown name, bad flag
	CodeInvalid    = 3   // configuration invalid; `status`: not running
	CodeWarnings   = 4   // configuration valid with warnings
	CodeUnknown    = 4   // `status`: the daemon does not answer
	CodeHeld       = 75  // held by another; try again later
	CodePermission = 77  // the caller may not do this
	CodeUnsafe     = 107 // refused without Force
	CodeTimeout    = 124
)

// Error is a refusal that travels over the API; the command line prints
// Message and exits with Code.
type Error struct {
	Code    int    `json:"code"` // one of the Code… constants
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error with a formatted message.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// asError gives any error of the daemon a code.
func asError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(CodeTimeout, "not done within %v; `vipd status` shows how far it came", ChangeLimit)
	case errors.Is(err, context.Canceled):
		return Errorf(CodeFailed, "given up: the daemon is stopping or the caller has gone")
	}
	return Errorf(CodeFailed, "%v", err)
}

// httpStatus is the nearest word of HTTP for a code. Clients of ours read the
// code in the body; this is for curl.
func (e *Error) httpStatus() int {
	switch e.Code {
	case CodeUsage:
		return http.StatusBadRequest
	case CodeHeld, CodeUnsafe:
		return http.StatusConflict
	case CodePermission:
		return http.StatusForbidden
	case CodeTimeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}
