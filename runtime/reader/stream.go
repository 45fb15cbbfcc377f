package reader

import (
	"context"
	"errors"
	"io"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/buffer"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// serverStream is the rpc.Stream of a call.
type serverStream struct {
	// Immutable.
	streams *streams
	call    *rpc.Call
	ctx     context.Context // of the call
	dialect *wire.Dialect
	recv    chan struct{} // capacity 1, as is send: a Wake for which nobody waits is remembered
	send    chan struct{}

	// The sender's.
	sent int // size of the last message

	// The receiver's.
	lent []byte // what the last RecvInto has decoded from

	// Guarded by streams.mu.
	core     *stream.Stream
	linked   int  // pieces of what the sender has lent that are being written
	done     bool // the call has been answered
	trailing bool // the reply is among streams.trailers
}

var _ rpc.Stream = (*serverStream)(nil)

// wake tells those who wait to look again.
func (x *serverStream) wake(w stream.Wake) {
	if w.Recv {
		signal(x.recv)
	}
	if w.Send {
		signal(x.send)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// trailerGone notes that the reply is not in the mux any more, and reports whether it was.
func (x *serverStream) trailerGone() bool {
	if !x.trailing {
		return false
	}
	x.trailing = false
	x.streams.trailers--
	return true
}

// Context implements rpc.Stream.
func (x *serverStream) Context() context.Context { return x.ctx }

// Send implements rpc.Stream.
func (x *serverStream) Send(ctx context.Context, m codec.Encodable) error {
	b, err := x.dialect.AppendMessage(x.streams.copyBuffer(x.sent), x.call.Encoding, m)
	if err != nil {
		return err
	}
	x.sent = len(b)
	ahead, err := x.ahead(ctx, len(b))
	if err == nil && ahead {
		return x.give(ctx, b)
	}
	if err == nil {
		err = x.lend(ctx, b)
	}
	buffer.Put(b)
	return err
}

// SendBytes implements rpc.Stream.
func (x *serverStream) SendBytes(ctx context.Context, b []byte) error {
	ahead, err := x.ahead(ctx, len(b))
	switch {
	case err != nil:
		return err
	case ahead:
		return x.give(ctx, append(x.streams.copyBuffer(len(b)), b...))
	}
	return x.lend(ctx, b)
}

// ahead waits until the stream has room for a message of n bytes that its sender does not wait for. It returns false at
// once for one that its sender can write himself, without a copy, and for one for which it will have no room, or not soon:
// then the message stays its sender's, who has to wait.
func (x *serverStream) ahead(ctx context.Context, n int) (bool, error) {
	t := x.streams
	for {
		t.mu.Lock()
		err := x.stopped(ctx)
		direct := n >= linkSize && x.core.Unhindered(n)
		given, all := x.core.GivenBytes(), t.mux.GivenBytes()
		t.mu.Unlock()
		switch {
		case err != nil:
			return false, x.explain(err)
		case direct:
			return false, nil
		case n > aheadStream || all-given+aheadStream > aheadConn:
			return false, nil
		case given+n <= aheadStream:
			return true, nil
		}
		x.wait(ctx, x.send)
	}
}

// wait waits for a token in c, or the end of ctx or the call.
func (x *serverStream) wait(ctx context.Context, c chan struct{}) {
	select {
	case <-c:
	case <-ctx.Done():
	case <-x.ctx.Done():
	}
}

// give sends b, which is the stream's from now on.
func (x *serverStream) give(ctx context.Context, b []byte) error {
	t := x.streams
	t.mu.Lock()
	err := x.stopped(ctx)
	if err == nil {
		err = x.core.Give(b)
	}
	t.unlock(stream.Wake{})
	if err != nil {
		return x.explain(err)
	}
	return nil
}

// lend sends b and waits until it is not needed any more. While it is being written nothing else can end the wait, and nothing
// has to: no write waits for the client.
func (x *serverStream) lend(ctx context.Context, b []byte) error {
	t := x.streams
	t.mu.Lock()
	err := x.stopped(ctx)
	if err == nil {
		err = x.core.Send(b, false)
	}
	t.unlockAndFlush()
	if err != nil {
		return x.explain(err)
	}
	for {
		t.mu.Lock()
		switch err = x.core.Err(); {
		case x.linked > 0:
			t.mu.Unlock()
			<-x.send
			continue
		case x.done || err != nil: // what was pending has been dropped
			t.mu.Unlock()
			return x.explain(err)
		case !x.core.Lent():
			t.mu.Unlock()
			return nil
		}
		if err = x.stopped(ctx); err != nil {
			x.core.Withdraw()
			t.unlock(stream.Wake{})
			return err
		}
		t.mu.Unlock()
		x.wait(ctx, x.send)
	}
}

// Recv implements rpc.Stream.
func (x *serverStream) Recv(ctx context.Context, m codec.Decodable) error {
	b, err := x.RecvBytes(ctx)
	if err != nil {
		return err
	}
	return x.dialect.DecodeMessage(x.call.Encoding, b, false, m)
}

// RecvInto implements rpc.Stream.
func (x *serverStream) RecvInto(ctx context.Context, m codec.Decodable) error {
	buffer.Put(x.lent)
	x.lent = nil
	b, err := x.RecvBytes(ctx)
	if err != nil {
		return err
	}
	x.lent = b
	return x.dialect.DecodeMessage(x.call.Encoding, b, true, m)
}

// RecvBytes implements rpc.Stream.
func (x *serverStream) RecvBytes(ctx context.Context) ([]byte, error) {
	t := x.streams
	for {
		var m stream.Message
		t.mu.Lock()
		err := x.stopped(ctx)
		if err == nil {
			m, err = x.core.Recv()
		}
		t.unlockAndFlush()
		switch {
		case err == nil:
			return m.Bytes(), nil
		case err == io.EOF && !x.answered():
			return nil, io.EOF
		case err != stream.ErrWait:
			return nil, x.explain(err)
		}
		x.wait(ctx, x.recv)
	}
}

// CloseSend implements rpc.Stream.
func (x *serverStream) CloseSend(context.Context) error {
	t := x.streams
	t.mu.Lock()
	err := x.core.CloseSend()
	t.unlock(stream.Wake{})
	if err != nil {
		return x.explain(err)
	}
	return nil
}

// stopped returns the error of whoever should not wait, or go on: the stream has been reset, ctx or the call has ended.
// The lock is held.
func (x *serverStream) stopped(ctx context.Context) error {
	if x.done {
		return stream.ErrSendClosed
	}
	if err := x.core.Err(); err != nil {
		return err
	}
	for _, c := range [...]context.Context{x.ctx, ctx} {
		if err := c.Err(); err != nil {
			return &rpc.Error{Code: rpc.CodeOf(err), Message: "stream: " + err.Error(), Cause: err}
		}
	}
	return nil
}

func (x *serverStream) answered() bool {
	x.streams.mu.Lock()
	defer x.streams.mu.Unlock()
	return x.done
}

// explain turns an error of the core into what callers are promised.
func (x *serverStream) explain(err error) error {
	var coded *rpc.Error
	switch {
	case x.answered():
		return rpc.NewError(rpc.FailedPrecondition, "stream: the handler has returned")
	case errors.As(err, &coded):
		e := *coded // the core's belongs to everybody who uses the stream
		return &e
	case err == stream.ErrSendClosed:
		return rpc.NewError(rpc.FailedPrecondition, "stream: this side sends no messages, or not any more")
	}
	return rpc.Errorf(rpc.Internal, "stream: %w", err)
}

// finish ends the stream with the call's reply, which follows what has been sent.
func (x *serverStream) finish(reply rpc.Reply) {
	t := x.streams
	t.out.ReplyVia(x.call, reply, func(frame []byte) (sent bool) {
		t.mu.Lock()
		for x.core.Lent() { // somebody still sends; the bytes are not ours for longer than that
			x.core.Withdraw()
		}
		if sent = x.core.Finish(frame); sent {
			x.trailing = true
			t.trailers++
		}
		x.core.Discard()
		x.done = true
		if t.open--; t.open == 0 {
			t.small = nil
		}
		x.wake(stream.Wake{Recv: true, Send: true})
		t.unlock(stream.Wake{})
		return sent
	})
}
