package client

import (
	"fmt"
	"runtime/debug"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// What panics in the caller's goroutine, an interceptor or generated code that encodes, is the caller's to recover, and
// the client stays sound. In a goroutine of the client's own nobody could recover it, so there it ends the call and not the
// process.

// panicked returns the error of a call that ended with a panic. It is called by who recovers. The cause has the stack.
func panicked(m *rpc.Method, p any) *rpc.Error {
	return &rpc.Error{
		Code: rpc.Internal, Method: m.FullName, Message: "an interceptor, or the encoding or decoding, panicked",
		Cause: fmt.Errorf("panic: %v\n\n%s", p, debug.Stack()),
	}
}

// unfinished returns the error that a call has as long as the user's code that is to end it has not returned. It stays
// where that never does.
func unfinished(m *rpc.Method) *rpc.Error {
	return &rpc.Error{Code: rpc.Internal, Method: m.FullName, Message: "an interceptor, or the decoding of the result, did not return"}
}
