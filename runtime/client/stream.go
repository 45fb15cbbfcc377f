package client

import (
	"context"
	"io"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// clientStream is the caller's end of a stream. It has no goroutine: what it sends is written by whoever writes the
// connection's queue, what it receives is put into core by the connection's reader, and each side is woken by the other.
//
// It has two ends. When it is over nothing more comes from the server or goes there, but messages that came before may
// still be received; done is closed then. When it is released nobody asks for these any more, and it holds nothing.
type clientStream struct {
	// Immutable once opened.
	client  *Client
	call    call
	ctx     context.Context
	cancel  context.CancelFunc // ends ctx: the stream is over
	lapse   context.CancelFunc // ends call.bounds.ctx where that is our own, because of a timeout
	conn    *conn
	dialect *wire.Dialect
	arrived chan struct{} // has room for one: who receives should look
	drained chan struct{} // has room for one: who sends should look
	done    chan struct{} // closed when the stream is over

	// Guarded by the connection's mu.
	core     *stream.Stream
	over     bool        // done is closed
	answered bool        // call.reply is set
	stop     func() bool // ends the watch on call.bounds.ctx; nil until that has begun

	receiving, sending wait // for a message or the end, and for credit

	// The sender's between messages, guarded by the connection's mu while one is pending.
	out    []byte // the message
	linked bool   // pieces of it are in the queue without having been copied
	lends  bool   // the message is the application's, see sendNow

	// The receiver's.
	lent []byte // what the last RecvInto has decoded from

	finished sync.Once
	outcome  error // of Finish
}

var _ rpc.ClientStream = (*clientStream)(nil)

// watch makes the stream end with its context.
func (s *clientStream) watch() {
	stop := context.AfterFunc(s.call.bounds.ctx, func() {
		s.abort(s.call.bounds.over(s.call.method, rpc.MaybeExecuted, "the end of the stream"))
	})
	s.conn.mu.Lock()
	s.stop = stop
	s.conn.mu.Unlock()
}

// unlock sees to what follows from whatever was done to core, and releases the connection's mu.
func (s *clientStream) unlock() {
	ended := s.noteEndLocked()
	s.conn.refillLocked()
	s.conn.unlockAndFlush()
	if ended {
		s.cancel()
		s.conn.mu.Lock()
		s.conn.relieve(s)
	}
}

// noteEndLocked reports whether the stream is over since just now. If so, ctx has to be ended without the lock.
func (s *clientStream) noteEndLocked() bool {
	if s.over || s.core.Err() == nil {
		return false
	}
	s.over = true
	close(s.done)
	cn := s.conn
	s.receiving.endLocked(cn)
	s.sending.endLocked(cn)
	if e := cn.table.find(s.call.id); e != nil && e.call == &s.call {
		cn.table.remove(e)
		cn.removedLocked()
	}
	return true
}

// replied is told by whoever took the call out of the connection's table that call.reply or call.err is set.
func (s *clientStream) replied() {
	k := &s.call
	err := k.err
	answered := err == nil
	if answered && k.reply.header.Kind == wire.KindError {
		err = callError(s.dialect.DecodeReply(k.method, k.reply.header, k.reply.payload, nil), k.method)
	}
	s.conn.mu.Lock()
	s.answered = answered
	s.conn.streams.mux.Finished(k.id, err)
	s.unlock()
}

// abort gives the stream up because of err, and everything that it holds.
func (s *clientStream) abort(err *rpc.Error) {
	s.conn.mu.Lock()
	s.core.Reset(err)
	s.unlock()
	s.release()
}

// release lets go of all that the stream holds. It may be called more than once.
func (s *clientStream) release() {
	var stop func() bool
	if s.core != nil {
		s.conn.mu.Lock()
		s.core.Discard()
		stop = s.stop
		s.unlock()
	}
	if stop != nil {
		stop()
	}
	s.lapse()
}

// explain returns an error of core as one of this stream.
func (s *clientStream) explain(err error) error {
	switch err {
	case io.EOF:
		return err
	case stream.ErrSendClosed:
		return s.errorf(rpc.FailedPrecondition, "the client sends no messages, or none any more")
	}
	known, ok := err.(*rpc.Error)
	if !ok {
		return callError(err, s.call.method)
	}
	e := *known // which all who wait for the stream share
	e.Method = s.call.method.FullName
	return &e
}

func (s *clientStream) errorf(code rpc.Code, format string, args ...any) *rpc.Error {
	e := rpc.Errorf(code, format, args...)
	e.Method = s.call.method.FullName
	return e
}

// waited returns the error of a wait that ctx has ended.
func (s *clientStream) waited(ctx context.Context, what string) *rpc.Error {
	p := patience{ctx: ctx}
	return p.over(s.call.method, rpc.MaybeExecuted, what)
}

// Context implements rpc.Stream.
func (s *clientStream) Context() context.Context { return s.ctx }

// Cancel implements rpc.ClientStream.
func (s *clientStream) Cancel() {
	s.abort(&rpc.Error{Code: rpc.Canceled, Message: "the stream was canceled", Cause: context.Canceled})
}

// Finish implements rpc.ClientStream.
func (s *clientStream) Finish(ctx context.Context, result codec.Decodable) error {
	s.finished.Do(func() {
		s.outcome = unfinished(s.call.method) // for those who come after a panic
		defer s.release()
		err := s.finish(ctx, result)
		s.client.learn(&s.call, err)
		if s.outcome = nil; err != nil {
			s.outcome = err
		}
	})
	return s.outcome
}

func (s *clientStream) finish(ctx context.Context, result codec.Decodable) *rpc.Error {
	k := &s.call
	if k.method.Stream&rpc.StreamArgs != 0 {
		s.CloseSend(ctx) // fails only if the stream is over
	}
	for ctx.Err() == nil {
		if _, err := s.receive(ctx); err != nil {
			break
		}
	}
	s.conn.mu.Lock()
	if !s.over {
		s.receiving.beginLocked(s.conn)
	}
	s.conn.mu.Unlock()
	select { // there are no more messages, or ctx has ended
	case <-s.done:
	case <-ctx.Done():
		s.abort(s.waited(ctx, "the reply"))
	}
	s.conn.mu.Lock()
	end, answered := s.core.Err(), s.answered
	s.conn.mu.Unlock()
	if end == io.EOF || answered && k.reply.header.Kind == wire.KindError {
		if result == nil {
			result = nothing{}
		}
		return s.conn.finish(k, result)
	}
	return callError(s.explain(end), k.method)
}

// nothing stands for a result that nobody wants.
type nothing struct{}

func (nothing) DecodeThrift(d *codec.Decoder) { d.Skip(codec.Struct) }
