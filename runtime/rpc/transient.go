package rpc

import "errors"

// Transient is an error that knows whether its cause may be gone when the call is made again. Exceptions are that the IDL
// marks with (failure = "transient") or (failure = "permanent"), and so is *Error.
//
// The result that a generated client passes to Caller.Call implements it, too, where the method is idempotent and throws
// a transient exception: it reports whether it holds one. A Caller may then make the call again and decode the next reply
// into the same result, whose DecodeThrift replaces what the last one has left there.
type Transient interface {
	TransientFailure() bool
}

// IsTransient reports whether the cause of err may be gone when the call is made again: what the first Transient in err's
// chain says, false if there is none. It does not say that making the call again is safe. That depends on the method,
// and on what the server has done: an exception comes from a handler that ran, an *Error has its Execution.
func IsTransient(err error) bool {
	var t Transient
	return errors.As(err, &t) && t.TransientFailure()
}

// TransientFailure implements Transient: it is true for lost connections and servers that cannot be reached (Unavailable),
// and where the server advises to ask again, here or elsewhere.
func (e *Error) TransientFailure() bool { return e.Code == Unavailable || e.Advice != AdviceNone }
