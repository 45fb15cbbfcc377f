package faults

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// attacks are what hostile peers send, each on a connection of its own, and then they wait to be put out. In
// runtime/server each of them is looked at by itself; here they come all at once, again and again.
func attacks(t testing.TB) map[string][]byte {
	preamble := wire.AppendPreamble(nil, wire.Preamble{Features: wire.FeatureStreams, Window: 1<<32 - 1})
	frame := func(h wire.FrameHeader, payload ...byte) []byte {
		return slices.Concat(preamble, wire.AppendFrameHeader(nil, h), payload)
	}
	call := func(h wire.CallHeader, body []byte) []byte {
		h.Method = []byte(methodRead.FullName)
		header := wire.AppendCallHeader(nil, &h)
		return frame(wire.FrameHeader{Length: uint32(len(header) + len(body)), HeaderLen: uint16(len(header)), Kind: wire.KindCall, Stream: 1},
			append(header, body...)...)
	}
	word := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	thrift := func(body ...byte) []byte {
		return slices.Concat([]byte{0x80, 1, 0, 1}, word(4), []byte("read"), word(1), body)
	}
	floods := func(n int, part func(b []byte, i int) []byte) []byte {
		b := slices.Clone(preamble)
		for i := range n {
			b = part(b, i)
		}
		return b
	}
	noise := make([]byte, 100_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	big := func(b []byte, i int) []byte {
		b, err := new(wire.Dialect).AppendCall(b, uint64(i+1), methodRead, &order{ID: int64(i), Size: maxSize}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return map[string][]byte{
		"nothing":                         nil,
		"noise":                           noise,
		"HTTP":                            []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"TLS":                             []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		"half a preamble":                 preamble[:17],
		"largest frame":                   frame(wire.FrameHeader{Length: math.MaxUint32, Kind: wire.KindCall, Stream: 1}),
		"frame of which little comes":     frame(wire.FrameHeader{Length: 16_000_000, Kind: wire.KindCall, Stream: 1}, 1, 2, 3),
		"unknown kind":                    frame(wire.FrameHeader{Kind: 0x33}),
		"list of 2^31-1":                  call(wire.CallHeader{}, append([]byte{15, 0, 9, 12}, word(math.MaxInt32)...)),
		"string of 2 GiB":                 call(wire.CallHeader{}, append([]byte{11, 0, 9}, word(math.MaxInt32)...)),
		"a million structs":               call(wire.CallHeader{}, slices.Repeat([]byte{12, 0, 9}, 1<<20)),
		"compact, a million structs":      call(wire.CallHeader{Encoding: codec.Compact}, slices.Repeat([]byte{0x1c}, 1<<20)),
		"Snappy of 64 MiB":                call(wire.CallHeader{Compression: wire.CompressionSnappy, RawSize: 64 << 20}, []byte("\xff\x06\x00\x00sNaPpY")),
		"Snappy that says 1 GiB":          call(wire.CallHeader{Compression: wire.CompressionSnappy, RawSize: 1 << 20}, []byte("\xff\x06\x00\x00sNaPpY\x00\x0a\x00\x00....\x80\x80\x80\x80\x04\x00")),
		"metadata":                        call(wire.CallHeader{CallOptions: wire.CallOptions{Metadata: slices.Repeat([]byte("x"), wire.MaxMetadata+1)}}, nil),
		"Thrift, huge list":               thrift(append([]byte{15, 0, 9, 12}, word(math.MaxInt32)...)...),
		"Thrift, nested lists":            thrift(append([]byte{15, 0, 9}, slices.Repeat([]byte{15, 0, 0, 0, 1}, 100_000)...)...),
		"Thrift frame of 2 GiB":           append(word(math.MaxInt32), thrift(0)...),
		"Thrift frame, little comes":      append(word(16_000_000), thrift(0)...),
		"pings":                           floods(2000, func(b []byte, i int) []byte { return wire.AppendPing(b, uint64(i)) }),
		"calls that are canceled":         floods(2000, func(b []byte, i int) []byte { return wire.AppendCancel(big(b, i), uint64(i+1)) }),
		"large replies that nobody reads": floods(8, big),
		"streams that nobody reads": floods(200, func(b []byte, i int) []byte {
			b, err := new(wire.Dialect).AppendCall(b, uint64(i+1), pour, &order{Size: 64 << 10}, &wire.CallOptions{Stream: true})
			if err != nil {
				t.Fatal(err)
			}
			return wire.AppendCredit(wire.AppendCredit(b, uint64(i+1), flow.MaxOffset), 0, flow.MaxOffset)
		}),
		"resets": floods(2000, func(b []byte, i int) []byte {
			return wire.AppendReset(b, uint64(i+1), wire.Reset{Final: uint64(i)})
		}),
	}
}

// siege is how normal clients fare while a server is attacked.
type siege struct {
	alone, beside time.Duration // 99th percentiles
	attacks       int64         // connections of hostile peers
	heap, rss     int64         // bytes: how much the server's live heap grew, and the most memory it ever had
	goroutines    int           // how many more there are afterwards
}

func (s siege) String() string {
	return fmt.Sprintf("p99 %v alone, %v beside %d attacks (%.2f x); the server's live heap grew by %d KiB, its memory peaked at %d MiB, %+d goroutines afterwards",
		s.alone, s.beside, s.attacks, float64(s.beside)/float64(s.alone), s.heap/1024, s.rss>>20, s.goroutines)
}

const (
	siegeWorkers = 64
	siegeSpare   = siegeWorkers + 8 // goroutines that a server keeps: workers that it did not need before, and a few for timers
)

// measureSiege measures for d each.
func measureSiege(t testing.TB, d time.Duration) (s siege) {
	p := start(t, config{Address: "tcp://127.0.0.1:0", Workers: siegeWorkers, Stall: time.Second, Frame: time.Second})
	conns := make([]*client.Client, 4)
	for i := range conns {
		conns[i] = dial(t, p.address)
	}
	normal := func() time.Duration {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		var took times
		var wg sync.WaitGroup
		for _, c := range conns {
			wg.Go(func() { repeat(ctx, t, c, methodRead, order{Size: 1000}, 2*time.Millisecond, &took) })
		}
		wg.Wait()
		return took.quantile(0.99)
	}
	s.alone = normal()
	before := p.report()
	stop := make(chan struct{})
	var begun atomic.Int64
	var wg sync.WaitGroup
	for name, bytes := range attacks(t) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond): // or it would be the attackers that keep the processors busy
				}
				nc, err := net.Dial("tcp", strings.TrimPrefix(p.address, "tcp://"))
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				begun.Add(1)
				_ = nc.SetDeadline(time.Now().Add(200 * time.Millisecond)) // by then it has done its worst
				_, _ = nc.Write(bytes)                                     // the server may have seen enough before the end
				if strings.Contains(name, "nobody reads") {
					select {
					case <-stop:
					case <-time.After(200 * time.Millisecond):
					}
				} else {
					_, _ = io.Copy(io.Discard, nc)
				}
				nc.Close()
			}
		})
	}
	s.beside = normal()
	s.heap = p.report().Heap - before.Heap
	close(stop)
	wg.Wait()
	s.attacks = begun.Load()
	late := time.Now().Add(soon)
	for {
		r := p.report()
		s.goroutines, s.rss = r.Goroutines-before.Goroutines, r.Peak
		if s.goroutines <= siegeSpare || time.Now().After(late) {
			return s
		}
		time.Sleep(50 * time.Millisecond) // another process has no channel to wait on
	}
}

// TestHostilePeers: every attack that there is a limit against, many times a second, beside clients whose calls must all
// succeed and take hardly longer. Nothing of it stays behind.
func TestHostilePeers(t *testing.T) {
	var s siege
	for i := range attempts {
		s = measureSiege(t, time.Duration(1+i)*span(2*time.Second))
		t.Log(s)
		if limit := int64(512 << 20); s.rss > limit || s.heap > limit/2 {
			t.Errorf("%v: at most %d MiB are in order", s, limit>>20)
		}
		if s.goroutines > siegeSpare {
			t.Errorf("%v: goroutines stay behind", s)
		}
		if s.attacks >= 200 && s.beside <= 2*s.alone+50*time.Millisecond {
			return
		}
	}
	t.Errorf("%v: want 200 attacks, beside which calls take at most twice as long, and 50 ms", s)
}
