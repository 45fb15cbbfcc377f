package server_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/kuafu-rpc/kuafu/examples/stream/files"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

// launch serves a service at a free port until end is called.
func launch(srv *server.Server, address string, service *rpc.Service) (bound string, end func()) {
	if err := srv.Register(service); err != nil {
		log.Fatal(err)
	}
	bound, err := srv.Listen(address)
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve()
	}()
	return bound, func() {
		srv.Close()
		<-served
	}
}

// An interceptor sees every call once its arguments are decoded. This one turns calls away that do not say whose they are,
// and signs the replies of the others.
func ExampleWithInterceptors() {
	tenants := func(next rpc.ServerHandler) rpc.ServerHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Decodable) (codec.Encodable, error) {
			tenant, ok := rpc.MetadataFrom(ctx).Get("tenant")
			if !ok {
				return nil, rpc.NewError(rpc.InvalidArgument, "whose call is this?")
			}
			result, err := next(ctx, m, args)
			fmt.Println("server:", tenant, m.FullName, err)
			if err != nil {
				return nil, err
			}
			return result, rpc.SetReplyMetadata(ctx, "served-by", "rack 7")
		}
	}
	address, end := launch(server.New(server.WithInterceptors(tenants)), "tcp://127.0.0.1:0", echotest.NewClockService(clock{}))
	defer end()
	ctx := context.Background()
	conn, err := client.Dial(ctx, address)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	c := echotest.NewClockClient(conn)

	var reply rpc.Metadata
	ticks, err := c.Ticks(rpc.WithReplyMetadata(rpc.WithMetadata(ctx, "tenant", "blue"), &reply), 24)
	by, _ := reply.Get("served-by")
	fmt.Println("client:", ticks, err, by)

	_, err = c.Ticks(ctx, 24)
	fmt.Println("client:", rpc.CodeOf(err))
	// Output:
	// server: blue Clock.ticks <nil>
	// client: 1024 <nil> rack 7
	// client: invalid_argument
}

// scale implements one method of files.Files.
type scale struct{ files.Files }

// Upload keeps nothing, and says how much it got.
func (scale) Upload(ctx context.Context, name string, pieces rpc.RecvStream[[]byte]) (size int64, err error) {
	for {
		piece, err := pieces.Recv(ctx)
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
		size += int64(len(piece))
	}
}

// counted is a stream that counts the raw messages it receives.
type counted struct {
	rpc.Stream
	messages int
}

func (s *counted) RecvBytes(ctx context.Context) ([]byte, error) {
	b, err := s.Stream.RecvBytes(ctx)
	if err == nil {
		s.messages++
	}
	return b, err
}

// A stream interceptor surrounds a whole stream call, and may wrap the stream to see its messages.
func ExampleWithStreamInterceptors() {
	counting := func(next rpc.StreamServerHandler) rpc.StreamServerHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			c := &counted{Stream: s}
			result, err := next(ctx, m, args, c)
			tenant, _ := rpc.MetadataFrom(ctx).Get("tenant")
			fmt.Println("server:", tenant, m.FullName, c.messages, "messages", err)
			return result, err
		}
	}
	address, end := launch(server.New(server.WithStreamInterceptors(counting)), "tcp://127.0.0.1:0", files.NewFilesService(scale{}))
	defer end()
	ctx := rpc.WithMetadata(context.Background(), "tenant", "blue")
	conn, err := client.Dial(ctx, address)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	upload, err := files.NewFilesClient(conn).Upload(ctx, "hosts")
	if err != nil {
		log.Fatal(err)
	}
	defer upload.Cancel()
	for _, piece := range []string{"127.0.0.1 ", "localhost"} {
		if err := upload.Send(ctx, []byte(piece)); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(upload.Finish(ctx))
	// Output:
	// server: blue Files.upload 2 messages <nil>
	// 19 <nil>
}
