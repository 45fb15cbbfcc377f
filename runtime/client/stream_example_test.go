package client_test

import (
	"context"
	"fmt"
	"io"

	"github.com/kuafu-rpc/kuafu/examples/stream/files"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
)

// parrot implements one method of files.Files.
type parrot struct{ files.Files }

// Chat repeats what it hears, with a prefix that the client asks for.
func (parrot) Chat(ctx context.Context, lines rpc.RecvStream[string], out rpc.SendStream[string]) error {
	m := rpc.MetadataFrom(ctx)
	prefix, _ := m.Get("prefix")
	for {
		line, err := lines.Recv(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.Send(ctx, prefix+line); err != nil {
			return err
		}
	}
}

// counted is a stream that counts its messages and tells of them at its end.
type counted struct {
	rpc.ClientStream
	method         string
	sent, received int
}

func (s *counted) Send(ctx context.Context, m codec.Encodable) error {
	err := s.ClientStream.Send(ctx, m)
	if err == nil {
		s.sent++
	}
	return err
}

func (s *counted) Recv(ctx context.Context, m codec.Decodable) error {
	err := s.ClientStream.Recv(ctx, m)
	if err == nil {
		s.received++
	}
	return err
}

func (s *counted) Finish(ctx context.Context, result codec.Decodable) error {
	err := s.ClientStream.Finish(ctx, result)
	fmt.Printf("%s: %d sent, %d received, %v\n", s.method, s.sent, s.received, err)
	return err
}

// A stream interceptor surrounds the opening of streams, where it may add to what is sent, and may wrap the stream.
func ExampleWithStreamInterceptors() {
	server, err := rpctest.NewServer(rpctest.Options{}, files.NewFilesService(parrot{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	counting := func(next rpc.StreamClientHandler) rpc.StreamClientHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Encodable) (rpc.ClientStream, error) {
			s, err := next(rpc.WithMetadata(ctx, "prefix", "what, "), m, args)
			if err != nil {
				return nil, err
			}
			return &counted{ClientStream: s, method: m.FullName}, nil
		}
	}
	ctx := context.Background()
	c, err := client.Dial(ctx, "tcp://files.example:7000", client.WithDialer(server.Dial), client.WithStreamInterceptors(counting))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	chat, err := files.NewFilesClient(c).Chat(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer chat.Cancel()
	for _, line := range []string{"rain?", "snow?"} {
		if err := chat.Send(ctx, line); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(chat.Recv(ctx))
	}
	if err := chat.Finish(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// what, rain? <nil>
	// what, snow? <nil>
	// Files.chat: 2 sent, 2 received, <nil>
}
