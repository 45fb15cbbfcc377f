package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kuafu-rpc/kuafu/examples/stream/files"
)

// upload sends a file in pieces.
func upload(ctx context.Context, w io.Writer, c *files.FilesClient, name string, pieces [][]byte) error {
	s, err := c.Upload(ctx, name)
	if err != nil {
		return err
	}
	defer s.Cancel() // does nothing after Finish
	for _, piece := range pieces {
		if err = s.Send(ctx, piece); err != nil {
			break
		}
	}
	if err != nil && err != io.EOF { // EOF: the server has answered already
		return err
	}
	size, err := s.Finish(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "uploaded %s: %d bytes\n", name, size)
	return nil
}

// download counts what comes back.
func download(ctx context.Context, w io.Writer, c *files.FilesClient, name string) error {
	s, err := c.Download(ctx, name)
	if err != nil {
		return err
	}
	defer s.Cancel()
	size := 0
	for {
		piece, err := s.Recv(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		size += len(piece)
	}
	var missing *files.NotFound
	switch err := s.Finish(ctx); {
	case errors.As(err, &missing):
		fmt.Fprintf(w, "no file %s\n", missing.Name)
	case err != nil:
		return err
	default:
		fmt.Fprintf(w, "downloaded %s: %d bytes\n", name, size)
	}
	return nil
}

// chat says each line, and hears the answer.
func chat(ctx context.Context, w io.Writer, c *files.FilesClient, lines ...string) error {
	s, err := c.Chat(ctx)
	if err != nil {
		return err
	}
	defer s.Cancel()
	for _, line := range lines {
		if err := s.Send(ctx, line); err != nil {
			return err
		}
		answer, err := s.Recv(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "> %s\n< %s\n", line, answer)
	}
	if err := s.CloseSend(ctx); err != nil {
		return err
	}
	last, err := s.Recv(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "< %s\n", last)
	return s.Finish(ctx)
}
