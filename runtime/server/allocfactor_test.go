package server_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// sparse is a list of structs of which every field is absent: a byte each on the wire, and 256 in memory.
type sparse struct{ rows [][256]byte }

func (s *sparse) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.Field(1, codec.List)
	e.List(codec.Struct, len(s.rows))
	for range s.rows {
		e.EndStruct(e.BeginStruct())
	}
	e.EndStruct(outer)
}

func (s *sparse) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		s.rows = codec.MakeSlice[[256]byte](d, d.List(codec.Struct))
		for range s.rows {
			d.Skip(codec.Struct)
		}
	}
	d.EndStruct(outer)
}

var sparseMirror = rpc.Method{Service: "Sparse", Name: "mirror", FullName: "Sparse.mirror"}

func TestAllocFactor(t *testing.T) {
	wide, narrow := &sparse{make([][256]byte, 3000)}, &sparse{make([][256]byte, 200)}
	var served atomic.Int64
	service := &rpc.Service{Name: "Sparse", Handlers: []rpc.Handler{{
		Method:  &sparseMirror,
		NewArgs: func() codec.Decodable { return new(sparse) },
		Invoke: func(_ context.Context, args codec.Decodable) (codec.Encodable, error) {
			served.Add(1)
			return args.(*sparse), nil
		},
	}}}
	start := func(opts ...server.Option) string {
		srv := server.New(opts...)
		if err := srv.Register(service); err != nil {
			t.Fatal(err)
		}
		address, err := srv.Listen("tcp://127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- srv.Serve() }()
		t.Cleanup(func() {
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
			<-done
		})
		return address
	}
	tight, roomy := start(), start(server.WithAllocFactor(300))
	for _, dialect := range []struct {
		name string
		opts []client.Option
	}{
		{"native", nil},
		{"thrift", []client.Option{client.WithThrift(client.Thrift{Transport: client.Framed})}},
	} {
		call := func(address string, args *sparse, opts ...client.Option) (int, error) {
			t.Helper()
			c, err := client.Dial(t.Context(), address, append(opts, dialect.opts...)...)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var result sparse
			err = c.Call(t.Context(), &sparseMirror, args, &result)
			return len(result.rows), err
		}
		for _, tt := range []struct {
			name    string
			address string
			args    *sparse
			opts    []client.Option
			code    rpc.Code // of the error; 0 for none
			served  int64
		}{
			{"little", tight, narrow, nil, 0, 1},
			{"too much for the server", tight, wide, []client.Option{client.WithAllocFactor(300)}, rpc.InvalidArgument, 0},
			{"too much for the client", roomy, wide, nil, rpc.Internal, 1},
			{"enough for both", roomy, wide, []client.Option{client.WithAllocFactor(300)}, 0, 1},
		} {
			before := served.Load()
			n, err := call(tt.address, tt.args, tt.opts...)
			var code rpc.Code
			if err != nil {
				code = rpc.CodeOf(err)
			}
			if times := served.Load() - before; code != tt.code || times != tt.served || err == nil && n != len(tt.args.rows) {
				t.Errorf("%s, %s: %d rows, %v, served %d times", dialect.name, tt.name, n, err, times)
			}
		}
	}
}

func TestAllocFactorOutOfRange(t *testing.T) {
	for _, n := range []int{-1, 1, codec.AllocFactor - 1, codec.MaxAllocFactor + 1} {
		srv := server.New(server.WithAllocFactor(n))
		if _, err := srv.Listen("tcp://127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if err := srv.Serve(); err == nil || errors.Is(err, server.ErrClosed) {
			t.Errorf("a server with a factor of %d: %v", n, err)
		}
		if err := srv.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if c, err := client.Dial(t.Context(), "tcp://127.0.0.1:1", client.WithAllocFactor(n), client.WithLazyDial()); err == nil {
			c.Close()
			t.Errorf("a client with a factor of %d", n)
		}
	}
}
