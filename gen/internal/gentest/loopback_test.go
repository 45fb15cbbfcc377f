package gentest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// loopback is a Caller that encodes a call, finds its handler as a server does, and decodes the reply, all at once.
type loopback struct {
	enc      codec.Encoding
	registry rpc.Registry
	last     *rpc.Method // of the last call
	answer   []byte      // sent instead of the handler's reply, if not nil
}

func newLoopback(enc codec.Encoding, services ...*rpc.Service) (*loopback, error) {
	l := &loopback{enc: enc}
	for _, s := range services {
		if err := l.registry.Register(s); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *loopback) Call(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
	l.last = m
	body, err := tryEncode(l.enc, args)
	if err != nil {
		return rpc.Errorf(rpc.InvalidArgument, "%w", err)
	}
	reply, err := l.serve(ctx, m, body)
	if err != nil || m.Oneway {
		return err
	}
	if l.answer != nil {
		reply = l.answer
	}
	return tryDecode(l.enc, reply, result)
}

func (l *loopback) serve(ctx context.Context, m *rpc.Method, body []byte) ([]byte, error) {
	h := l.registry.Lookup([]byte(m.FullName))
	if h == nil {
		return nil, rpc.NewError(rpc.Unimplemented, m.FullName)
	}
	params := h.NewArgs()
	if err := tryDecode(l.enc, body, params); err != nil {
		return nil, rpc.Errorf(rpc.InvalidArgument, "%w", err)
	}
	result, err := h.Invoke(ctx, params)
	switch {
	case result == nil && err != nil:
		var e *rpc.Error
		if errors.As(err, &e) {
			return nil, e
		}
		return nil, rpc.Errorf(rpc.Unknown, "%w", err)
	case result == nil:
		if !m.Oneway {
			return nil, fmt.Errorf("%s has neither a result nor an error", m.FullName)
		}
		return nil, nil
	}
	return tryEncode(l.enc, result)
}

func (l *loopback) Go(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) rpc.Pending {
	done := make(chan struct{})
	close(done)
	return &ended{l.Call(ctx, m, args, result), done}
}

// ended is a call that is over.
type ended struct {
	err  error
	done chan struct{}
}

func (p *ended) Wait(context.Context) error { return p.err }
func (p *ended) Done() <-chan struct{}      { return p.done }
