package rpc

import "fmt"

// Advice is what a server tells its caller to do about a call that it refused.
type Advice uint8

const (
	AdviceNone     Advice = iota // the caller decides by code and execution
	AdviceRetry                  // ask this server again, after a pause: it is busy
	AdviceFailover               // ask another server of the service: this one is a standby, or cannot keep up
)

// String returns "none", "retry", "failover", or "advice(n)" for a number that has no name.
func (a Advice) String() string {
	switch a {
	case AdviceNone:
		return "none"
	case AdviceRetry:
		return "retry"
	case AdviceFailover:
		return "failover"
	}
	return fmt.Sprintf("advice(%d)", uint8(a))
}

// Busy returns the error of a call that was refused for lack of room: ResourceExhausted, NotExecuted, AdviceRetry. A
// handler may return it as long as it has done nothing yet.
func Busy(message string) *Error {
	return &Error{Code: ResourceExhausted, Message: message, Execution: NotExecuted, Advice: AdviceRetry}
}

// Standby returns the error of a call that came to the wrong server of several: Unavailable, NotExecuted,
// AdviceFailover. A handler may return it as long as it has done nothing yet.
func Standby(message string) *Error {
	return &Error{Code: Unavailable, Message: message, Execution: NotExecuted, Advice: AdviceFailover}
}

// ReplyError returns what a caller is told of the error that a handler returned: its code and text, as executed. Only
// what Busy and Standby make stays as it is: an error that comes from a call which the handler made itself says nothing
// about this call.
func ReplyError(err error) *Error {
	e, ok := err.(*Error)
	if !ok {
		return &Error{Code: CodeOf(err), Message: err.Error(), Execution: Executed}
	}
	reply := &Error{Code: e.Code, Message: e.Message, Execution: Executed}
	if e.Advice != AdviceNone && !e.Remote && e.Method == "" {
		reply.Execution, reply.Advice = e.Execution, e.Advice
	}
	return reply
}
