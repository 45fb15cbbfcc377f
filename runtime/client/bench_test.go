package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// echoServer answers each call with its own body, a chunk of calls at a time.
func echoServer(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go echoConn(nc)
		}
	}()
	return "tcp://" + ln.Addr().String()
}

func echoConn(nc net.Conn) {
	defer nc.Close()
	buf := make([]byte, 256<<10)
	out := wire.AppendPreamble(nil, wire.Preamble{})
	n, greeted := 0, false
	for {
		k, err := nc.Read(buf[n:])
		if err != nil {
			return
		}
		n += k
		at := 0
		if !greeted {
			if n < wire.PreambleSize {
				continue
			}
			at, greeted = wire.PreambleSize, true
		}
		for {
			h, ok := wire.ParseFrameHeader(buf[at:n])
			if !ok || n-at < wire.FrameHeaderSize+int(h.Length) {
				break
			}
			payload := buf[at+wire.FrameHeaderSize : at+wire.FrameHeaderSize+int(h.Length)]
			at += wire.FrameHeaderSize + int(h.Length)
			if h.Kind != wire.KindCall || h.Flags&wire.FlagOneway != 0 {
				continue
			}
			body := payload[h.HeaderLen:]
			begin := len(out)
			out = wire.AppendFrameHeader(out, wire.FrameHeader{Kind: wire.KindReply, Stream: h.Stream})
			out = wire.AppendReplyHeader(out, wire.ReplyHeader{Encoding: 0})
			headerLen := len(out) - begin - wire.FrameHeaderSize
			out = append(out, body...)
			binary.BigEndian.PutUint32(out[begin:], uint32(headerLen+len(body)))
			binary.BigEndian.PutUint16(out[begin+6:], uint16(headerLen))
		}
		if len(out) > 0 {
			if _, err := nc.Write(out); err != nil {
				return
			}
			out = out[:0]
		}
		n = copy(buf, buf[at:n])
	}
}

// plainConn hides that there is a socket underneath, so the writer goroutine writes everything.
type plainConn struct{ net.Conn }

// BenchmarkCall compares the two ways to flush: by the first caller, and by the writer goroutine.
func BenchmarkCall(b *testing.B) {
	for _, mode := range []string{"caller", "writer"} {
		for _, callers := range []int{1, 16, 100, 1000} {
			b.Run(fmt.Sprintf("flush=%s/callers=%d", mode, callers), func(b *testing.B) {
				opts := []Option{WithKeepalive(0, 0)}
				if mode == "writer" {
					opts = append(opts, WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
						nc, err := new(net.Dialer).DialContext(ctx, network, address)
						if err != nil {
							return nil, err
						}
						return plainConn{nc}, nil
					}))
				}
				benchmark(b, callers, opts...)
			})
		}
	}
}

func benchmark(b *testing.B, callers int, opts ...Option) {
	ctx := context.Background()
	c, err := Dial(ctx, echoServer(b), opts...)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	args := &text{strings.Repeat("x", 1000)}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	var wg sync.WaitGroup
	for i := range callers {
		n := b.N / callers
		if i < b.N%callers {
			n++
		}
		wg.Go(func() {
			var r text
			for range n {
				if err := c.Call(ctx, echo, args, &r); err != nil || len(r.s) != 1000 {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op") // of both ends
}

// BenchmarkBalancers has three servers, which are one process here: it shows what choosing costs.
func BenchmarkBalancers(b *testing.B) {
	address := strings.Join([]string{echoServer(b), echoServer(b), echoServer(b)}, ",")
	for _, balancer := range []Balancer{FailoverOrder, RoundRobin, LeastPending} {
		b.Run(fmt.Sprint(balancer), func(b *testing.B) {
			ctx := context.Background()
			c, err := Dial(ctx, address, WithKeepalive(0, 0), WithBalancer(balancer))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			args := &text{strings.Repeat("x", 1000)}
			b.ReportAllocs()
			b.SetParallelism(50)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				var r text
				for pb.Next() {
					if err := c.Call(ctx, echo, args, &r); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
