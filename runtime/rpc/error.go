package rpc

import (
	"context"
	"errors"
	"fmt"
)

// Code classifies a failed call. The names and numbers are gRPC's, without OK: there is no code for success.
type Code uint8

const (
	Canceled           Code = 1
	Unknown            Code = 2
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	AlreadyExists      Code = 6
	PermissionDenied   Code = 7
	ResourceExhausted  Code = 8 // a limit or a full queue; the call may be tried again later
	FailedPrecondition Code = 9
	Aborted            Code = 10
	OutOfRange         Code = 11
	Unimplemented      Code = 12 // no such service or method
	Internal           Code = 13
	Unavailable        Code = 14 // no connection, or the server is going away
	DataLoss           Code = 15
	Unauthenticated    Code = 16
)

var codeNames = [...]string{
	Canceled: "canceled", Unknown: "unknown", InvalidArgument: "invalid_argument", DeadlineExceeded: "deadline_exceeded",
	NotFound: "not_found", AlreadyExists: "already_exists", PermissionDenied: "permission_denied",
	ResourceExhausted: "resource_exhausted", FailedPrecondition: "failed_precondition", Aborted: "aborted",
	OutOfRange: "out_of_range", Unimplemented: "unimplemented", Internal: "internal", Unavailable: "unavailable",
	DataLoss: "data_loss", Unauthenticated: "unauthenticated",
}

// String returns the lower-case name, "code(n)" for a number that has none.
func (c Code) String() string {
	if c.Valid() {
		return codeNames[c]
	}
	return fmt.Sprintf("code(%d)", uint8(c))
}

// Valid reports whether c is one of the codes above.
func (c Code) Valid() bool { return c >= Canceled && int(c) < len(codeNames) }

// Execution says whether the server may have executed a failed call.
type Execution uint8

const (
	MaybeExecuted Execution = iota // nobody can tell: the connection broke or the wait ended first
	NotExecuted                    // the call provably never reached a handler; it is safe to send again
	Executed                       // the handler ran and failed
)

// String returns "maybe executed", "not executed" or "executed".
func (x Execution) String() string {
	return [...]string{"maybe executed", "not executed", "executed"}[x]
}

// Error is the error of every failed call except declared exceptions, which come as themselves. Use errors.As, or
// CodeOf.
type Error struct {
	Code      Code
	Message   string
	Method    string    // full name; empty if the error is not about one call
	Execution Execution // what the server may have done
	Remote    bool      // whether the other side sent it
	Advice    Advice    // what the server suggests
	Stages    Stages    // where the time went, if the deadline passed
	Cause     error     // the local error underneath, if any; never sent
}

// NewError returns an error to be returned by a handler, or by a client before anything was sent.
func NewError(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// Errorf is NewError with fmt.Errorf's formatting; %w sets Cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// Error returns "Echo.echo: unavailable: connection refused (not executed)", followed by the stages if there are any:
// " [server queue 1.2s, handler 300ms]".
func (e *Error) Error() string {
	s := e.Code.String() + ": " + e.Message
	if e.Method != "" {
		s = e.Method + ": " + s + " (" + e.Execution.String() + ")"
	}
	if e.Stages != (Stages{}) {
		s += " [" + e.Stages.String() + "]"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, context.DeadlineExceeded) and errors.Is(err, context.Canceled) hold for their codes, whether
// the clock ran out here or there.
func (e *Error) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded:
		return e.Code == DeadlineExceeded
	case context.Canceled:
		return e.Code == Canceled
	}
	return false
}

// CodeOf returns the code of the first *Error in err's chain. For other errors it is Canceled or DeadlineExceeded where
// a context's error is in the chain, else Unknown. err must not be nil.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return Unknown
}
