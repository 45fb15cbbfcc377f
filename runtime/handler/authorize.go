package handler

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// authorize returns why c, whose Handler is known, may not be executed. Every call passes here before anything is done
// with its arguments; an Authorizer that fails or panics denies.
func (h *Handler) authorize(c *rpc.Call) *rpc.Error {
	if h.opts.Authorize == nil {
		return nil
	}
	return h.ask(c)
}

// ask asks the Authorizer. It is apart from authorize, which is then cheap where there is none.
func (h *Handler) ask(c *rpc.Call) (denial *rpc.Error) {
	var id rpc.Identity
	if c.Peer != nil {
		id = c.Peer.Identity
	}
	m := c.Handler.Method
	defer func() {
		if p := recover(); p != nil {
			h.opts.Logger.Error("handler: the authorizer panicked", "method", m.FullName, "panic", p, "stack", string(debug.Stack()))
			denial = refusal(rpc.Internal, "the authorizer panicked")
		}
	}()
	err := h.opts.Authorize(c.Context(), id, m)
	if err == nil {
		return nil
	}
	var coded *rpc.Error
	if errors.As(err, &coded) {
		return refusal(coded.Code, coded.Message)
	}
	return refusal(rpc.PermissionDenied, fmt.Sprintf("%v may not call %s", id, m.FullName))
}
