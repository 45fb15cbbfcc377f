package wire

import (
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// ConnError is why a connection cannot go on: the other side broke the framing. A side that finds one sends a GoAway
// with the code and reason, then closes.
type ConnError struct {
	Code   rpc.Code
	Reason string
}

// Error returns "wire: resource_exhausted: call frame of 20000000 bytes, at most 16384000 allowed".
func (e *ConnError) Error() string { return "wire: " + e.Code.String() + ": " + e.Reason }

func connErrorf(code rpc.Code, format string, args ...any) error {
	return &ConnError{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// refuse returns the error of a call that will not be executed.
func refuse(code rpc.Code, format string, args ...any) *rpc.Error {
	return &rpc.Error{Code: code, Message: fmt.Sprintf(format, args...), Execution: rpc.NotExecuted}
}

// garbled returns the error of a call that was executed, and whose reply cannot be read.
func garbled(format string, args ...any) *rpc.Error {
	return &rpc.Error{Code: rpc.Internal, Message: fmt.Sprintf(format, args...), Execution: rpc.Executed}
}
