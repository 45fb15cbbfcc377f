package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Exit statuses.
const (
	exitOK         = 0
	exitFailed     = 1 // a call failed
	exitUsage      = 2 // the command line, or the data on it, is wrong
	exitConnection = 3 // there is no connection
)

// usageError is a mistake on the command line, or in the data that came with it.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// connectionError is the failure to reach a server.
type connectionError struct{ error }

func (e connectionError) Unwrap() error { return e.error }

// nextAttempt is what a client's errors say that this command is not going to do.
var nextAttempt = regexp.MustCompile(` \(next attempt in [^)]*\)`)

// exception is a declared exception that a call ended with.
type exception struct {
	method string
	name   string
	value  json.RawMessage
}

func (e *exception) Error() string {
	return fmt.Sprintf("%s: exception %s: %s (executed)", e.method, e.name, e.value)
}

// exitOf returns the exit status for an error.
func exitOf(err error) int {
	var usage usageError
	var connection connectionError
	var failure *rpc.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &connection):
		return exitConnection
	case errors.As(err, &failure) && failure.Code == rpc.Unavailable && !failure.Remote:
		return exitConnection
	}
	return exitFailed
}

// report prints an error to standard error, as JSON if the output is.
func (a *app) report(err error) {
	if a.output != "json" {
		fmt.Fprintln(a.err, "kuafu:", nextAttempt.ReplaceAllString(err.Error(), ""))
		return
	}
	var out struct {
		Error     *jsonError     `json:"error,omitempty"`
		Exception *jsonException `json:"exception,omitempty"`
	}
	var thrown *exception
	var failure *rpc.Error
	switch {
	case errors.As(err, &thrown):
		out.Exception = &jsonException{thrown.method, thrown.name, thrown.value}
	case errors.As(err, &failure):
		out.Error = &jsonError{Code: failure.Code.String(), Method: failure.Method, Execution: failure.Execution.String()}
		out.Error.Message = nextAttempt.ReplaceAllString(failure.Message, "")
	default:
		out.Error = &jsonError{Message: err.Error()}
	}
	var advised *hinted
	if errors.As(err, &advised) && out.Error != nil {
		if failure == nil {
			out.Error.Message = advised.err.Error()
		}
		out.Error.Hint = advised.hint
	}
	a.printJSON(a.err, out)
}

type jsonError struct {
	Code      string `json:"code,omitempty"`
	Message   string `json:"message"`
	Method    string `json:"method,omitempty"`
	Execution string `json:"execution,omitempty"`
	Hint      string `json:"hint,omitempty"` // what the user can do
}

type jsonException struct {
	Method string          `json:"method"`
	Name   string          `json:"name"`
	Value  json.RawMessage `json:"value"`
}
