package faults

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// TestKillMidStream: whoever sends or receives on a stream of a server that is killed learns it at once, and opens the
// next one when the server is back.
func TestKillMidStream(t *testing.T) {
	t.Parallel()
	const each = 8
	p := start(t, config{Address: home(t)})
	c := dial(t, p.address, client.WithWaitForReady())
	message := make([]byte, 10_000)
	receive := func(ctx context.Context, s rpc.ClientStream) error {
		b, err := s.RecvBytes(ctx)
		if err == nil && len(b) != len(message) {
			t.Errorf("a message of %d bytes", len(b))
		}
		return err
	}
	send := func(ctx context.Context, s rpc.ClientStream) error { return s.SendBytes(ctx, message) }

	flowing := make(chan struct{}, 2*each)
	ended := make(chan time.Time, 2*each)
	var wg sync.WaitGroup
	for m, step := range map[*rpc.Method]func(context.Context, rpc.ClientStream) error{pour: receive, soak: send} {
		for range each {
			wg.Go(func() {
				s, err := c.Open(t.Context(), m, &order{Size: int32(len(message))})
				if err != nil {
					t.Errorf("opening %s: %v", m.FullName, err)
					return
				}
				for n := 0; err == nil; n++ {
					if err = step(t.Context(), s); n == 100 {
						flowing <- struct{}{}
					}
				}
				ended <- time.Now()
				if e := failure(t, err); e.Code != rpc.Unavailable {
					t.Errorf("%s ended with %v, want unavailable", m.FullName, err)
				}
				if e := failure(t, s.Finish(t.Context(), nil)); e.Code != rpc.Unavailable || e.Execution != rpc.MaybeExecuted {
					t.Errorf("%s finished with %v, want unavailable, maybe executed", m.FullName, e)
				}
			})
		}
	}
	for range 2 * each {
		select {
		case <-flowing:
		case <-time.After(soon):
			t.Fatal("the streams do not flow")
		}
	}
	killed := time.Now()
	p.kill()
	wg.Wait()
	close(ended)
	worst := time.Duration(0)
	for at := range ended {
		worst = max(worst, at.Sub(killed))
	}
	if worst > promptly {
		t.Errorf("a stream learned of the server's death after %v", worst)
	}
	start(t, config{Address: p.address})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	s, err := c.Open(ctx, soak, &order{ID: 7})
	if err == nil {
		err = send(ctx, s)
	}
	var r receipt
	if err == nil {
		err = s.Finish(ctx, &r)
	}
	if err != nil || r.ID != 7 {
		t.Errorf("after the restart: %v, receipt %d", err, r.ID)
	}
	t.Logf("streams learned of the death within %v", worst)
}

// TestCreditWithoutReading has peers that allow the server to send as much as there is, on many streams, and read nothing.
// They cost the server little memory and other clients nothing, and are put out.
func TestCreditWithoutReading(t *testing.T) {
	var alone, beside time.Duration
	for range attempts {
		if alone, beside = creditWithoutReading(t); beside <= 2*alone+50*time.Millisecond {
			return
		}
	}
	t.Errorf("calls of others take %v in place of %v", beside, alone)
}

// creditWithoutReading returns the 99th percentiles of others' calls, and checks the rest.
func creditWithoutReading(t *testing.T) (alone, beside time.Duration) {
	const (
		peers   = 20
		streams = 20
		stall   = 1500 * time.Millisecond
	)
	p := start(t, config{Address: "tcp://127.0.0.1:0", Stall: stall})
	c := dial(t, p.address)
	measure := func() time.Duration {
		ctx, cancel := context.WithTimeout(t.Context(), stall/2)
		defer cancel()
		var took times
		repeat(ctx, t, c, methodRead, order{Size: 1000}, time.Millisecond, &took)
		return took.quantile(0.99)
	}
	alone = measure()
	before := p.report()
	conns := make([]net.Conn, peers)
	for i := range conns {
		conns[i] = greedyPeer(t, p.address, streams)
	}
	p.await(before.Begun + peers*streams)
	beside = measure()
	during := p.report()
	grown := during.Heap - before.Heap
	t.Logf("p99 %v alone, %v beside %d peers with %d streams each that they never read; the server's live heap grew by %d KiB",
		alone, beside, peers, streams, grown/1024)
	if limit := int64(peers * (streams*64<<10 + 1<<20)); grown > limit {
		t.Errorf("the heap grew by %d KiB; %d are in order", grown/1024, limit/1024)
	}
	begin := time.Now()
	late := begin.Add(soon) // the kernel's buffers take a little more now and then, and each time the wait begins anew
	for i, nc := range conns {
		_, err := nc.Write(wire.AppendPing(nil, 1)) // notices without reading
		for ; err == nil && time.Now().Before(late); _, err = nc.Write(wire.AppendPing(nil, 1)) {
			time.Sleep(10 * time.Millisecond)
		}
		if err == nil {
			t.Errorf("peer %d is still there", i)
		}
		nc.Close()
	}
	t.Logf("the last peer was put out after %v", time.Since(begin))
	if _, err := call(t.Context(), c, methodRead, order{}); err != nil {
		t.Error(err)
	}
	return alone, beside
}

// greedyPeer opens streams with all the credit there is, and reads nothing of what comes.
func greedyPeer(t *testing.T, address string, streams int) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(address, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	b := wire.AppendPreamble(nil, wire.Preamble{Features: wire.FeatureStreams, Window: 1<<32 - 1})
	for i := range streams {
		o := wire.CallOptions{Stream: true}
		if b, err = new(wire.Dialect).AppendCall(b, uint64(i+1), pour, &order{Size: 64 << 10}, &o); err != nil {
			t.Fatal(err)
		}
		b = wire.AppendCredit(b, uint64(i+1), flow.MaxOffset)
	}
	b = wire.AppendCredit(b, 0, flow.MaxOffset)
	if _, err := nc.Write(b); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return nc
}
