package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// number is a struct with one integer, for arguments and results of streams that carry bytes.
type number struct{ n int64 }

func (m *number) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.I64Field(1, m.n)
	e.EndStruct(outer)
}

func (m *number) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.Type == codec.I64 {
			m.n = d.I64()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

var (
	blobGet  = &rpc.Method{Service: "Blob", Name: "get", FullName: "Blob.get", Stream: rpc.StreamResult}
	blobPut  = &rpc.Method{Service: "Blob", Name: "put", FullName: "Blob.put", Stream: rpc.StreamArgs}
	blobTalk = &rpc.Method{Service: "Blob", Name: "talk", FullName: "Blob.talk", Stream: rpc.StreamBoth}
	blobPing = &rpc.Method{Service: "Blob", Name: "ping", FullName: "Blob.ping"}
)

const blobSize = 64 << 10 // of the messages of get

// blobService streams bytes. get sends as many messages as it is told and as if for ever if that is negative, put counts
// what it receives, talk echoes.
func blobService() *rpc.Service {
	args := func() codec.Decodable { return new(number) }
	return &rpc.Service{Name: "Blob", Handlers: []rpc.Handler{
		{Method: blobPing, NewArgs: args, Invoke: func(_ context.Context, a codec.Decodable) (codec.Encodable, error) {
			return a.(*number), nil
		}},
		{Method: blobGet, NewArgs: args, Open: func(ctx context.Context, a codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			b := make([]byte, blobSize)
			for i := int64(0); i != a.(*number).n; i++ {
				if err := s.SendBytes(ctx, b); err != nil {
					return nil, err
				}
			}
			return a.(*number), nil
		}},
		{Method: blobPut, NewArgs: args, Open: func(ctx context.Context, _ codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			var sum number
			for {
				b, err := s.RecvBytes(ctx)
				if err == io.EOF {
					return &sum, nil
				}
				if err != nil {
					return nil, err
				}
				sum.n += int64(len(b))
			}
		}},
		{Method: blobTalk, NewArgs: args, Open: func(ctx context.Context, a codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			for {
				b, err := s.RecvBytes(ctx)
				if err == io.EOF {
					return a.(*number), nil
				}
				if err != nil {
					return nil, err
				}
				if len(b) == 1 {
					return nil, rpc.NewError(rpc.Aborted, "one byte is too few")
				}
				if err := s.SendBytes(ctx, b); err != nil {
					return nil, err
				}
			}
		}},
	}}
}

// blobs returns a client of a server with the Blob service. Both end with the test, which then looks for what is left.
func blobs(t testing.TB) *client.Client {
	t.Helper()
	noLeaks(t)
	srv := server.New()
	if err := srv.Register(blobService()); err != nil {
		t.Fatal(err)
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	c, err := client.Dial(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func openBlob(t testing.TB, c *client.Client, m *rpc.Method, n int64) rpc.ClientStream {
	t.Helper()
	s, err := c.Open(context.Background(), m, &number{n})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func finishBlob(t testing.TB, s rpc.ClientStream, want int64) {
	t.Helper()
	var r number
	if err := s.Finish(context.Background(), &r); err != nil {
		t.Errorf("Finish: %v", err)
	}
	if want >= 0 && r.n != want {
		t.Errorf("got a result of %d, want %d", r.n, want)
	}
}

func TestStreamsEndToEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c := blobs(t)

	get := openBlob(t, c, blobGet, 100)
	n := 0
	for {
		b, err := get.RecvBytes(ctx)
		if err == io.EOF {
			break
		}
		if err != nil || len(b) != blobSize {
			t.Fatalf("got %d bytes, %v", len(b), err)
		}
		n++
	}
	if n != 100 {
		t.Errorf("got %d messages", n)
	}
	get.Finish(ctx, nil)

	put := openBlob(t, c, blobPut, 0)
	for range 100 {
		if err := put.SendBytes(ctx, make([]byte, 100_001)); err != nil {
			t.Fatal(err)
		}
	}
	finishBlob(t, put, 100*100_001)

	talk := openBlob(t, c, blobTalk, 7)
	for _, size := range []int{0, 10, 20_000, 64 << 10, 5 << 20} {
		b := bytes.Repeat([]byte{1, 2, 3, 4, 5}, size/5)
		if err := talk.SendBytes(ctx, b); err != nil {
			t.Fatal(err)
		}
		if got, err := talk.RecvBytes(ctx); err != nil || !bytes.Equal(got, b) {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, len(b))
		}
	}
	finishBlob(t, talk, 7)

	failing := openBlob(t, c, blobTalk, 0)
	if err := failing.SendBytes(ctx, []byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := failing.RecvBytes(ctx); rpc.CodeOf(err) != rpc.Aborted {
		t.Errorf("got %v", err)
	}
	if err := failing.Finish(ctx, nil); rpc.CodeOf(err) != rpc.Aborted {
		t.Errorf("got %v", err)
	}

	unknown := openBlob(t, c, &rpc.Method{Service: "Blob", Name: "lost", FullName: "Blob.lost", Stream: rpc.StreamBoth}, 0)
	if err := unknown.Finish(ctx, nil); rpc.CodeOf(err) != rpc.Unimplemented {
		t.Errorf("got %v", err)
	}
}

// Many streams at once, some of which nobody reads and some of which are canceled, and calls beside them.
func TestStreamsInACrowd(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*soon)
	defer cancel()
	c := blobs(t)
	var stuck []rpc.ClientStream
	for range 50 {
		stuck = append(stuck, openBlob(t, c, blobGet, -1))
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for round := range 10 {
				s, err := c.Open(ctx, blobTalk, &number{int64(round)})
				if err != nil {
					t.Error(err)
					return
				}
				want := make([]byte, 8+1000*i*round)
				for k := range 20 {
					binary.BigEndian.PutUint64(want, uint64(k))
					if err := s.SendBytes(ctx, want); err != nil {
						t.Error(err)
						return
					}
					if got, err := s.RecvBytes(ctx); err != nil || !bytes.Equal(got, want) {
						t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
						return
					}
				}
				if i%4 == 0 {
					s.Cancel()
				} else {
					finishBlob(t, s, int64(round))
				}
				var r number
				if err := c.Call(ctx, blobPing, &number{int64(i)}, &r); err != nil || r.n != int64(i) {
					t.Errorf("ping: %d, %v", r.n, err)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range stuck {
		s.Cancel()
	}
}

// BenchmarkStream sends messages of 64 KiB one way over loopback TCP, client and server in one process.
func BenchmarkStream(b *testing.B) {
	ctx := context.Background()
	b.Run("put", func(b *testing.B) {
		s := openBlob(b, blobs(b), blobPut, 0)
		message := make([]byte, blobSize)
		b.SetBytes(blobSize)
		b.ReportAllocs()
		for b.Loop() {
			if err := s.SendBytes(ctx, message); err != nil {
				b.Fatal(err)
			}
		}
		finishBlob(b, s, -1)
	})
	b.Run("get", func(b *testing.B) {
		s := openBlob(b, blobs(b), blobGet, -1)
		b.SetBytes(blobSize)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.RecvBytes(ctx); err != nil {
				b.Fatal(err)
			}
		}
		s.Cancel()
	})
}

// BenchmarkCallBesideStream makes one call after the other on the connection of a stream that sends as much as it can.
func BenchmarkCallBesideStream(b *testing.B) {
	ctx := context.Background()
	for _, m := range []*rpc.Method{nil, blobPut, blobGet} {
		name := "idle"
		if m != nil {
			name = m.Name
		}
		b.Run(name, func(b *testing.B) {
			c := blobs(b)
			var s rpc.ClientStream
			var bulk sync.WaitGroup
			moved, began := 0, time.Now()
			if m != nil {
				s = openBlob(b, c, m, -1)
				bulk.Go(func() {
					for message := make([]byte, blobSize); ; moved++ {
						var err error
						if m == blobPut {
							err = s.SendBytes(ctx, message)
						} else {
							_, err = s.RecvBytes(ctx)
						}
						if err != nil {
							return
						}
					}
				})
			}
			var times []time.Duration
			for b.Loop() {
				before := time.Now()
				if err := c.Call(ctx, blobPing, &number{1}, new(number)); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(before))
			}
			if s != nil {
				s.Cancel()
			}
			bulk.Wait()
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(float64(moved)*blobSize/1e6/time.Since(began).Seconds(), "bulk-MB/s")
		})
	}
}
