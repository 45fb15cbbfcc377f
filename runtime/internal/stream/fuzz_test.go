package stream

import (
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// FuzzMux lets a peer send anything in sound frames, while the application does what the input says too. Whatever comes,
// memory stays within its budget, all of it comes back, and the Mux either goes on or says that the connection is broken.
func FuzzMux(f *testing.F) {
	var all []byte
	all = append(wire.AppendDataHeader(all, 1, wire.FlagMore, 3), "abc"...)
	all = append(wire.AppendDataHeader(all, 1, wire.FlagBlocked, 3), "abc"...)
	all = wire.AppendEnd(all, 2)
	all = wire.AppendCredit(all, 0, 1<<20)
	all = wire.AppendCredit(all, 2, 1<<20)
	all = wire.AppendReset(all, 2, wire.Reset{Final: 0})
	all = wire.AppendError(all, 3, lost)
	f.Add(all, []byte("0123456789abcdefghijklmnop"), true)
	f.Add(all, []byte("zyxwvutsrqponmlk"), false)
	f.Fuzz(func(t *testing.T, b, actions []byte, server bool) {
		memory := flow.NewBudget(nil, 300<<10)
		m := NewMux(Config{Memory: memory, Server: server, MaxMessage: 1000, MaxStreams: 8}, wire.MinWindow)
		var streams []*Stream
		for id := uint64(1); id <= 4; id++ {
			s, err := m.Open(Options{Sends: id != 3, Receives: id != 4, Limit: wire.MinWindow, Opaque: id == 2})
			if err != nil {
				continue
			}
			m.Start(s, id)
			streams = append(streams, s)
		}
		check := func() {
			var held uint64
			for _, s := range streams {
				held += s.memory.Held()
				if s.sent.Sent() > s.sent.Limit() || s.received.Received() > s.received.Limit() || s.received.Buffered()+s.lent > s.memory.Held() {
					t.Fatalf("%v", s)
				}
			}
			if memory.Used() != held {
				t.Fatalf("%v, the streams hold %d", memory, held)
			}
		}
		for len(b) > 0 {
			h, ok := wire.ParseFrameHeader(b)
			if !ok || h.Check(0) != nil || int64(h.Length) > int64(len(b)-wire.FrameHeaderSize) {
				break
			}
			payload := b[wire.FrameHeaderSize : wire.FrameHeaderSize+int(h.Length)]
			b = b[wire.FrameHeaderSize+int(h.Length):]
			if take(t, m, h, payload) != nil {
				break
			}
			check()
			if len(actions) == 0 {
				continue
			}
			s := streams[int(actions[0]>>4)%len(streams)]
			switch actions[0] % 16 {
			case 0, 1, 2:
				s.Recv()
			case 3:
				s.Send(make([]byte, 1000), false)
			case 4:
				s.Send(make([]byte, 100_000), s.options.Opaque)
			case 5:
				s.Withdraw()
			case 6:
				s.CloseSend()
			case 7:
				if server {
					s.Finish(reply(s.id))
				}
			case 8:
				s.Discard()
			default:
				m.Next()
			}
			actions = actions[1:]
			check()
		}
		m.Fail(lost)
		for _, s := range streams {
			s.Discard()
		}
		if memory.Used() != 0 || m.Len() != 0 {
			t.Fatalf("%v, %d streams", memory, m.Len())
		}
	})
}

// take does what an owner does with a frame.
func take(t *testing.T, m *Mux, h wire.FrameHeader, payload []byte) (err error) {
	switch h.Kind {
	case wire.KindData:
		_, err = m.Data(h, payload, false)
	case wire.KindCredit:
		limit := uint64(0)
		if limit, err = wire.ParseCredit(payload); err == nil {
			err = m.Credit(h.Stream, limit)
		}
	case wire.KindReset:
		r := wire.Reset{}
		if r, err = wire.ParseReset(payload); err == nil {
			_, err = m.Reset(h.Stream, r)
		}
	case wire.KindReply:
		m.Finished(h.Stream, nil)
	case wire.KindError:
		m.Finished(h.Stream, wire.ParseError(payload[:min(int(h.HeaderLen), len(payload))]))
	}
	if err != nil {
		if _, ok := err.(*wire.ConnError); !ok {
			t.Fatalf("%T: %v", err, err)
		}
	}
	return err
}
