package stream

import (
	"fmt"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// BenchmarkMessage is a message's way through both ends, frames as bytes, without the sockets. Apart from the payload's
// one copy, which the receiving application owns, there should be no allocation.
func BenchmarkMessage(b *testing.B) {
	for _, size := range []int{100, 16 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := Config{Memory: flow.NewBudget(nil, 1<<30)}
			client := NewMux(c, wire.DefaultWindow)
			c.Server = true
			server := NewMux(c, wire.DefaultWindow)
			from, err := client.Open(Options{Sends: true, Receives: true})
			if err != nil {
				b.Fatal(err)
			}
			client.Start(from, 1)
			to, err := server.Open(Options{Sends: true, Receives: true, Limit: from.Window()})
			if err != nil {
				b.Fatal(err)
			}
			server.Start(to, 1)
			message, buf := make([]byte, size), make([]byte, 0, 128<<10)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := from.Send(message, false); err != nil {
					b.Fatal(err)
				}
				for {
					f, ok := client.Next()
					if !ok {
						f, ok = server.Next()
						if !ok {
							break
						}
						if err := client.Credit(f.ID, f.limit); err != nil {
							b.Fatal(err)
						}
						continue
					}
					buf = f.Append(buf[:0])
					h, _ := wire.ParseFrameHeader(buf)
					if err := h.Check(0); err != nil {
						b.Fatal(err)
					}
					if _, err := server.Data(h, buf[wire.FrameHeaderSize:], false); err != nil {
						b.Fatal(err)
					}
					if m, err := to.Recv(); err == nil && m.Len() != size {
						b.Fatal(m.Len())
					}
				}
			}
		})
	}
}

// BenchmarkThousandStreams is one small message on each of 1000 streams in turn, all with something to send.
func BenchmarkThousandStreams(b *testing.B) {
	m := NewMux(Config{}, 1<<31)
	message := make([]byte, 100)
	var streams []*Stream
	for id := range uint64(1000) {
		s, err := m.Open(Options{Sends: true})
		if err != nil {
			b.Fatal(err)
		}
		m.Start(s, id+1)
		streams = append(streams, s)
		s.Send(message, false)
	}
	limit := uint64(flow.MaxOffset)
	m.Credit(0, limit)
	for _, s := range streams {
		m.Credit(s.id, limit)
	}
	b.ReportAllocs()
	for b.Loop() {
		f, ok := m.Next()
		if !ok {
			b.Fatal("nothing to send")
		}
		f.Stream.Send(message, false)
	}
}
