// Command stream shows streams in each direction: it serves files, uploads one, downloads it, and chats.
//
//	go run ./examples/stream
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/stream/files"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stream:", err)
		os.Exit(1)
	}
}

func run(w io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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
