package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/internal/testpki"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

var lentTalk = &rpc.Method{Service: "Lent", Name: "talk", FullName: "Lent.talk", Stream: rpc.StreamBoth}

const lentMessages = 40 // in each direction

// patterned is the k-th message in one direction, in memory that is used again: its content says what it is.
func patterned(b []byte, rng *rand.Rand, k int) []byte {
	size := 1 + rng.IntN([]int{100, 20_000, 66_000, 200_000}[rng.IntN(4)])
	if cap(b) < size {
		b = make([]byte, size)
	}
	b = b[:size]
	for i := range b {
		b[i] = byte(k)
	}
	return b
}

// cut returns a context for one wait. Where waits are hasty a few are cut short.
func cut(ctx context.Context, rng *rand.Rand, hasty bool) (context.Context, context.CancelFunc) {
	if !hasty || rng.IntN(20) > 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(rng.IntN(300))*time.Microsecond)
}

// sendPatterned sends messages from one buffer, which it spoils as soon as it is its own again.
func sendPatterned(ctx context.Context, s rpc.Stream, rng *rand.Rand, hasty bool) error {
	var b []byte
	for k := 0; k < lentMessages; {
		b = patterned(b, rng, k)
		one, cancel := cut(ctx, rng, hasty)
		err := s.SendBytes(one, b)
		over := one.Err() != nil
		cancel()
		for i := range b {
			b[i] = 0xee
		}
		switch {
		case err == nil:
			k++
		case !over || s.Context().Err() != nil:
			return err
		}
	}
	return nil
}

// receivePatterned receives until the end, and gives back what it has received.
func receivePatterned(ctx context.Context, s rpc.Stream, rng *rand.Rand, hasty bool) (n int, err error) {
	for {
		one, cancel := cut(ctx, rng, hasty)
		b, err := s.RecvBytes(one)
		over := one.Err() != nil
		cancel()
		switch {
		case err == nil:
			if right := bytes.Count(b, []byte{byte(n)}); right != len(b) {
				return n, fmt.Errorf("message %d: %d bytes of %d are its own", n, right, len(b))
			}
			rpc.Recycle(b)
			n++
		case err == io.EOF:
			return n, nil
		case !over || s.Context().Err() != nil:
			return n, err
		}
	}
}

// lentService answers a stream by one of its own, in both directions at once.
func lentService(t *testing.T) *rpc.Service {
	return &rpc.Service{Name: "Lent", Handlers: []rpc.Handler{{
		Method: lentTalk, NewArgs: func() codec.Decodable { return new(number) },
		Open: func(ctx context.Context, a codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			seed := uint64(a.(*number).n)
			received := make(chan error, 1)
			go func() {
				_, err := receivePatterned(ctx, s, rand.New(rand.NewPCG(seed, 1)), seed%2 > 0)
				received <- err
			}()
			err := sendPatterned(ctx, s, rand.New(rand.NewPCG(seed, 2)), seed%2 > 0)
			wantCoded(t, seed, err)
			if e := <-received; err == nil {
				err = e
			}
			wantCoded(t, seed, err)
			return a.(*number), err
		},
	}}}
}

// wantCoded complains of errors that are no stream's.
func wantCoded(t *testing.T, seed uint64, err error) {
	if e := (*rpc.Error)(nil); err != nil && !errors.As(err, &e) {
		t.Errorf("stream %d: %v", seed, err)
	}
}

// TestLentAtRandom: messages arrive as they were when they were sent, though both sides spoil and recycle the memory of each as
// soon as they may, over every transport, among calls, cancellations, waits that are cut short, and the loss of connections.
func TestLentAtRandom(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "tls"} {
		t.Run(network, func(t *testing.T) {
			noLeaks(t)
			var opts []server.Option
			var dial []client.Option
			address := "tcp://127.0.0.1:0"
			switch network {
			case "unix":
				address = "unix://" + filepath.Join(t.TempDir(), "s")
			case "tls":
				pki := testpki.New(t, "authority")
				address = "tls://127.0.0.1:0"
				opts = append(opts, server.WithTLS(pki.Server()))
				dial = append(dial, static(pki.Client(nil)))
			}
			srv := server.New(opts...)
			for _, s := range []*rpc.Service{lentService(t), blobService()} {
				if err := srv.Register(s); err != nil {
					t.Fatal(err)
				}
			}
			at, err := srv.Listen(address)
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- srv.Serve() }()
			defer func() {
				srv.Close()
				<-served
			}()
			for round := range 6 {
				c, err := client.Dial(context.Background(), at, dial...)
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				for i := range 1 + round%4 {
					wg.Go(func() { lentClient(t, c, uint64(round*10+i), round == 5) })
				}
				if round == 5 {
					time.Sleep(5 * time.Millisecond) // so that it is in the midst of it, as a rule
					c.Close()
				}
				wg.Wait()
				c.Close()
			}
		})
	}
}

// lentClient runs one stream. Streams with even numbers come to a good end, except where all is lost.
func lentClient(t *testing.T, c *client.Client, seed uint64, lost bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := c.Open(ctx, lentTalk, &number{int64(seed)})
	if err != nil {
		if !lost {
			t.Error(err)
		}
		return
	}
	hasty := seed%2 > 0
	var wg sync.WaitGroup
	wg.Go(func() {
		err := sendPatterned(ctx, s, rand.New(rand.NewPCG(seed, 3)), hasty)
		if wantCoded(t, seed, err); err == nil {
			s.CloseSend(ctx)
		}
	})
	wg.Go(func() {
		for range 20 {
			if err := c.Call(ctx, blobPing, &number{1}, new(number)); err != nil && !lost {
				t.Error(err)
			}
		}
		if seed%4 == 3 {
			s.Cancel()
		}
	})
	n, err := receivePatterned(ctx, s, rand.New(rand.NewPCG(seed, 4)), hasty)
	wantCoded(t, seed, err)
	wg.Wait()
	err = s.Finish(ctx, nil)
	if ctx.Err() != nil || !hasty && !lost && (n != lentMessages || err != nil) {
		t.Errorf("stream %d ends with %v after %d messages of %d; %v", seed, err, n, lentMessages, ctx.Err())
	}
}
