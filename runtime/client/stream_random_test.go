package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// TestStreamsAtRandom runs streams of every kind beside calls, with windows, messages, pauses and ends chosen at random.
// Every message that arrives is the next one that was sent, every stream comes to an end, and nothing is left of it.
func TestStreamsAtRandom(t *testing.T) {
	seeds := 20
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { atRandom(t, uint64(seed)) })
		})
	}
}

// message is the k-th of a stream in one direction.
func message(rnd *rand.Rand, name string, k int) []byte {
	size := rnd.IntN(300)
	if rnd.IntN(4) == 0 {
		size = rnd.IntN(200 << 10)
	}
	return append(fmt.Appendf(nil, "%s %d ", name, k), bytes.Repeat([]byte{byte(k)}, size)...)
}

// sameMessage reports whether b is what message made.
func sameMessage(b []byte, name string, k int) bool {
	rest, ok := bytes.CutPrefix(b, fmt.Appendf(nil, "%s %d ", name, k))
	return ok && len(bytes.Trim(rest, string([]byte{byte(k)}))) == 0
}

func pause(rnd *rand.Rand) {
	if rnd.IntN(3) == 0 {
		time.Sleep(time.Duration(rnd.IntN(5)) * time.Millisecond) // the bubble's time: it lets others go first
	}
}

func atRandom(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	config := stream.Config{Window: wire.MinWindow + rnd.Uint64N(100<<10), Chunk: 1 + rnd.IntN(100<<10)}
	c, h := hosting(t, config, func(h *hosted) { hostAtRandom(t, h, seed) },
		WithStreamMemory(4<<20), WithMaxStreams(16), WithKeepalive(0, 0))
	lossy := rnd.IntN(4) == 0
	var wg sync.WaitGroup
	var last *clientStream
	var mu sync.Mutex
	for i := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(i)+10))
			for k := range 5 {
				s := driveAtRandom(t, c, rnd, fmt.Sprintf("%d.%d.%d", seed, i, k), lossy)
				if s != nil {
					mu.Lock()
					last = s
					mu.Unlock()
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				var r text
				if err := c.Call(ctx, echo, &text{"x"}, &r); (err != nil || r.s != "x") && !lossy {
					t.Errorf("call: %q, %v", r.s, err)
				}
			}
		})
	}
	if lossy {
		time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
		h.nc.Close()
	}
	wg.Wait()
	if last != nil {
		check(t, last)
	}
	c.Close()
	h.wg.Wait()
}

// driveAtRandom runs one stream on the client's side. It returns nil if it could not be opened.
func driveAtRandom(t *testing.T, c *Client, rnd *rand.Rand, name string, lossy bool) *clientStream {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // nothing takes so long in the bubble
	defer cancel()
	m := []*rpc.Method{watch, upload, chat}[rnd.IntN(3)]
	opened, err := c.Open(ctx, m, &text{name})
	if err != nil {
		if !lossy {
			t.Errorf("%s: %v", name, err)
		}
		return nil
	}
	s := opened.(*clientStream)
	var sending sync.WaitGroup
	if m.Stream&rpc.StreamArgs != 0 {
		sender := rand.New(rand.NewPCG(rnd.Uint64(), 2))
		sending.Go(func() {
			for k := range sender.IntN(20) {
				pause(sender)
				if err := s.SendBytes(ctx, message(sender, name, k)); err != nil {
					return // how the stream ends is for Finish to say
				}
			}
			s.CloseSend(ctx)
		})
	}
	canceled := false
	for k := 0; ; k++ {
		pause(rnd)
		if canceled = rnd.IntN(40) == 0; canceled {
			s.Cancel()
			break
		}
		if m == watch && rnd.IntN(40) == 0 {
			break // the rest is for Finish to drop; with chat the server could be stuck, and stop reading
		}
		b, err := s.RecvBytes(ctx)
		if err != nil {
			break
		}
		if !sameMessage(b, name, k) {
			t.Errorf("%s: message %d is %d bytes, %.20q", name, k, len(b), b)
		}
	}
	sending.Wait()
	var r text
	err = s.Finish(ctx, &r)
	var e *rpc.Error
	switch {
	case err == nil && r.s == name:
	case canceled && (err == nil || rpc.CodeOf(err) == rpc.Canceled):
	case errors.As(err, &e) && e.Remote && e.Code == rpc.Aborted: // the server has given up at random
	case lossy && rpc.CodeOf(err) == rpc.Unavailable:
	default:
		t.Errorf("%s: %q, %v; canceled %v, lossy %v", name, r.s, err, canceled, lossy)
	}
	return s
}

// hostAtRandom runs one stream on the server's side.
func hostAtRandom(t *testing.T, h *hosted, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, h.core.ID()+1000))
	sends := 0
	if h.header.Window > 0 {
		sends = rnd.IntN(20)
	}
	received, more := 0, string(h.header.Method) != watch.FullName
	for sent := 0; sent < sends || more; {
		pause(rnd)
		switch rnd.IntN(60) {
		case 0:
			h.fail(&rpc.Error{Code: rpc.Aborted, Message: "at random"})
			return
		case 1:
			h.reset(&rpc.Error{Code: rpc.Aborted, Message: "at random"})
			return
		case 2:
			h.reply(h.args) // though the client may still send
			return
		}
		if sent < sends && (!more || rnd.IntN(2) == 0) {
			if h.send(message(rnd, h.args, sent)) != nil {
				return
			}
			sent++
			continue
		}
		b, err := h.recv()
		switch {
		case err == io.EOF:
			more = false
		case err != nil:
			return
		case !sameMessage(b, h.args, received):
			t.Errorf("%s: message %d is %d bytes, %.20q", h.args, received, len(b), b)
		default:
			received++
		}
	}
	h.reply(h.args)
}
