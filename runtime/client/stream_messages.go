package client

import (
	"context"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/buffer"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Send implements rpc.Stream.
func (s *clientStream) Send(ctx context.Context, m codec.Encodable) error {
	b, err := s.dialect.AppendMessage(s.buffer(), s.dialect.Encoding, m)
	if err != nil {
		s.out = b
		return s.explain(err)
	}
	return s.send(ctx, b)
}

// SendBytes implements rpc.Stream. It copies b, once, only where it cannot be written at once: the connection may still be
// writing when the wait for credit is over, or given up.
func (s *clientStream) SendBytes(ctx context.Context, b []byte) error {
	if limit := s.client.config.maxMessage; len(b) > limit {
		return s.errorf(rpc.ResourceExhausted, "message: %d bytes, at most %d allowed", len(b), limit)
	}
	if len(b) >= linkSize && ctx.Err() == nil && s.sendNow(b) {
		return nil
	}
	return s.send(ctx, append(s.buffer(), b...))
}

// sendNow has b written by its own sender, without a copy, if nothing is before it and there is credit for all of it. What the
// socket does not take is copied then: so b is the caller's again whatever the server does. It reports whether b was sent.
func (s *clientStream) sendNow(b []byte) bool {
	cn := s.conn
	cn.mu.Lock()
	if cn.try == nil || cn.writing || cn.failed || len(cn.segs) > 0 || !s.core.Unhindered(len(b)) || s.core.Send(b, false) != nil {
		cn.mu.Unlock()
		return false
	}
	s.lends = true
	cn.refillLocked()
	s.lends = false
	if s.core.Pending() > 0 { // resets and the like have filled the queue
		s.core.Withdraw()
		s.unlock()
		return false
	}
	cn.unlockAndFlush()
	return true
}

// buffer returns an empty buffer for the next message.
func (s *clientStream) buffer() []byte {
	b := s.out
	if s.out = nil; b == nil {
		b = s.conn.messageBuffer()
	}
	return b[:0]
}

// send sends a message, whose bytes it owns.
func (s *clientStream) send(ctx context.Context, b []byte) error {
	cn := s.conn
	cn.mu.Lock()
	s.out, s.linked = b, false
	if err := s.core.Send(b, false); err != nil {
		cn.mu.Unlock()
		return s.explain(err)
	}
	var patience stall
	patience.limit, _ = s.core.Starved()
	defer patience.end()
	for {
		cn.refillLocked()
		pending, err := s.core.Pending(), s.core.Err()
		switch {
		case err != nil:
			s.out = nil // the queue may have a part of it
		case pending > 0:
			s.sending.beginLocked(cn)
		}
		s.unlock()
		switch {
		case err != nil:
			return s.explain(err)
		case pending == 0:
			return nil
		}
		select {
		case <-s.drained:
		case <-s.done:
		case <-patience.over(s.client.config.streams.stall):
			s.endStalled(&patience)
		case <-ctx.Done():
			return s.withdraw(ctx)
		}
		cn.mu.Lock()
		s.sending.endLocked(cn)
	}
}

// stall is how long a message has waited for credit.
type stall struct {
	timer *time.Timer
	limit uint64 // of the stream, when the timer was started
}

// over returns a channel that gets a value after d, and then when the timer was started again; nil if d is 0.
func (p *stall) over(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	if p.timer == nil {
		p.timer = time.NewTimer(d)
	}
	return p.timer.C
}

func (p *stall) end() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// endStalled resets the stream if the server has granted nothing since it was last called. p's time is up.
func (s *clientStream) endStalled(p *stall) {
	d := s.client.config.streams.stall
	s.conn.mu.Lock()
	defer s.unlock()
	if limit, starved := s.core.Starved(); !starved || limit != p.limit {
		p.limit = limit
		p.timer.Reset(d)
		return
	}
	s.core.Reset(s.errorf(rpc.ResourceExhausted, "the stream stalled: the server has received nothing for %v", d))
}

// withdraw takes the pending message back because ctx has ended. If a part of it has left, that ends the stream: the
// server could not make anything of what would follow.
func (s *clientStream) withdraw(ctx context.Context) error {
	s.conn.mu.Lock()
	defer s.unlock()
	s.sending.endLocked(s.conn)
	switch err := s.core.Err(); {
	case err != nil:
		return s.explain(err)
	case s.core.Pending() == 0:
		return nil
	}
	err := s.waited(ctx, "credit to send a message")
	if !s.core.Withdraw() {
		err.Message += ", of which a part had been sent"
		s.out = nil // the queue may have that part
		s.core.Reset(err)
	}
	return err
}

// CloseSend implements rpc.Stream. It does not wait.
func (s *clientStream) CloseSend(context.Context) error {
	s.conn.mu.Lock()
	err := s.core.CloseSend()
	s.unlock()
	if err != nil {
		return s.explain(err)
	}
	return nil
}

// Recv implements rpc.Stream. It decodes in the caller's goroutine; decoded strings may share the message's memory.
func (s *clientStream) Recv(ctx context.Context, m codec.Decodable) error {
	b, err := s.RecvBytes(ctx)
	if err != nil {
		return err
	}
	return s.decode(b, false, m)
}

// RecvInto implements rpc.Stream.
func (s *clientStream) RecvInto(ctx context.Context, m codec.Decodable) error {
	buffer.Put(s.lent)
	s.lent = nil
	b, err := s.RecvBytes(ctx)
	if err != nil {
		return err
	}
	s.lent = b
	return s.decode(b, true, m)
}

func (s *clientStream) decode(b []byte, lent bool, m codec.Decodable) error {
	if err := s.dialect.DecodeMessage(s.dialect.Encoding, b, lent, m); err != nil {
		return s.explain(err)
	}
	return nil
}

// RecvBytes implements rpc.Stream. A message that came in one piece is not copied.
func (s *clientStream) RecvBytes(ctx context.Context) ([]byte, error) {
	m, err := s.receive(ctx)
	if err != nil {
		return nil, err
	}
	return m.Bytes(), nil
}

// receive waits for the next message. It reads the connection itself if it may, see helm.
func (s *clientStream) receive(ctx context.Context) (stream.Message, error) {
	cn := s.conn
	for leads, may := false, true; ; {
		cn.mu.Lock()
		if leads {
			leads = false
			cn.handOverLocked(cn.proto.(*native))
		}
		s.receiving.endLocked(cn)
		m, err := s.core.Recv()
		over := s.core.Err() != nil
		if err == stream.ErrWait {
			if leads = may && cn.takeHelmLocked(s, ctx); !leads {
				s.receiving.beginLocked(cn)
			}
		}
		s.unlock()
		switch {
		case err == nil:
			return m, nil
		case err != stream.ErrWait:
			if over {
				s.release() // all that came has been received
			}
			return m, s.explain(err)
		case leads:
			may = cn.leadFor(s, ctx)
			continue
		}
		select {
		case <-s.arrived:
			may = true
		case <-s.done:
		case <-ctx.Done():
			cn.mu.Lock()
			s.receiving.endLocked(cn)
			cn.mu.Unlock()
			return m, s.waited(ctx, "a message")
		}
	}
}
