// Command stream shows streams in each direction: it serves files, uploads one, downloads it, and chats.
//
//	go run ./examples/stream                              all of it in one process
//	go run ./examples/stream serve tcp://127.0.0.1:7001   the server alone, until it is interrupted
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/stream/files"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/service/reflection"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 0:
		err = run(ctx, os.Stdout)
	case len(args) == 2 && args[0] == "serve":
		err = serve(ctx, args[1])
	default:
		err = errors.New("usage: stream [serve address]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stream:", err)
		os.Exit(1)
	}
}

// serve runs the server until ctx is done, and lets streams that are open finish then. The kuafu command can speak to it.
func serve(ctx context.Context, address string) error {
	srv := server.New()
	err := srv.Register(files.NewFilesService(&store{files: make(map[string][][]byte)}), reflection.NewService(srv))
	if err != nil {
		return err
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- srv.Shutdown(patience)
	}()
	if err := srv.ListenAndServe(address); !errors.Is(err, server.ErrClosed) {
		return err
	}
	return <-stopped
}

func run(ctx context.Context, w io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	srv := server.New()
	if err := srv.Register(files.NewFilesService(&store{files: make(map[string][][]byte)})); err != nil {
		return err
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	defer func() {
		err = errors.Join(err, srv.Shutdown(ctx))
		if e := <-served; !errors.Is(e, server.ErrClosed) {
			err = errors.Join(err, e)
		}
	}()

	conn, err := client.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := files.NewFilesClient(conn)
	pieces := make([][]byte, 160) // 10 MiB: far more than may be on its way at once
	for i := range pieces {
		pieces[i] = make([]byte, 64<<10)
	}
	if err := upload(ctx, w, c, "zeros", pieces); err != nil {
		return err
	}
	if err := download(ctx, w, c, "zeros"); err != nil {
		return err
	}
	if err := download(ctx, w, c, "ones"); err != nil {
		return err
	}
	return chat(ctx, w, c, "hello", "streams are nice")
}
