package main

import (
	"context"
	"io"
	"sync"

	"github.com/kuafu-rpc/kuafu/examples/stream/files"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// store implements files.Files in memory.
type store struct {
	mu    sync.Mutex
	files map[string][][]byte
}

// maxFile is where an upload ends that nobody should keep in memory.
const maxFile = 64 << 20

func (s *store) Upload(ctx context.Context, name string, pieces rpc.RecvStream[[]byte]) (size int64, err error) {
	var file [][]byte
	for {
		piece, err := pieces.Recv(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		if size += int64(len(piece)); size > maxFile {
			return 0, rpc.Errorf(rpc.ResourceExhausted, "%s: more than %d bytes", name, maxFile)
		}
		file = append(file, piece)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = file
	return size, nil
}

func (s *store) Download(ctx context.Context, name string, out rpc.SendStream[[]byte]) error {
	s.mu.Lock()
	file, ok := s.files[name]
	s.mu.Unlock()
	if !ok {
		return &files.NotFound{Name: name}
	}
	for _, piece := range file {
		if err := out.Send(ctx, piece); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) Chat(ctx context.Context, lines rpc.RecvStream[string], out rpc.SendStream[string]) error {
	for {
		line, err := lines.Recv(ctx)
		if err == io.EOF {
			return out.Send(ctx, "goodbye")
		}
		if err != nil {
			return err
		}
		if err := out.Send(ctx, line+"? tell me more"); err != nil {
			return err
		}
	}
}
