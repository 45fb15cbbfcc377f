package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/streamtest"
)

// label is the label of the n-th item, long enough that its memory would be used again.
func label(n int) string { return strings.Repeat(fmt.Sprintf("%06d", n), 1000) }

// checkLabels compares what was kept of items, in memory that was used again since, with what they were.
func checkLabels(labels []string) error {
	for i, l := range labels {
		if l != label(i) {
			return fmt.Errorf("label %d has become %.20q", i, l)
		}
	}
	return nil
}

// mirrored sends items of size bytes, and meanwhile receives each into the same item. It returns their labels.
func mirrored(ctx context.Context, c *streamtest.StreamsClient, count, size int) (labels []string, err error) {
	s, err := c.Mirror(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Cancel()
	sent := make(chan error, 1)
	go func() {
		for i := range count {
			if err := s.Send(ctx, &streamtest.Item{N: int64(i), Data: bytes.Repeat([]byte{byte(i)}, size), Label: label(i)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.CloseSend(ctx)
	}()
	var item streamtest.Item
	for i := range count {
		if err := s.RecvInto(ctx, &item); err != nil {
			return nil, err
		}
		if item.N != int64(i) || len(item.Data) != size || bytes.Count(item.Data, []byte{byte(i)}) != size {
			return nil, fmt.Errorf("item %d came back as %d, with %d bytes: %.20x", i, item.N, len(item.Data), item.Data)
		}
		labels = append(labels, item.Label)
	}
	if err := s.RecvInto(ctx, &item); err != io.EOF {
		return nil, fmt.Errorf("after the last item: %v", err)
	}
	return labels, errors.Join(checkLabels(labels), <-sent, s.Finish(ctx))
}

// TestRecvInto: on both sides each message is received whole into the memory of the one before it, and strings stay what they
// were, however large the messages are.
func TestRecvInto(t *testing.T) {
	h, _ := startStreams(t)
	for _, size := range []int{0, 10, 20_000, 64 << 10, 300_000, 3 << 20} {
		if _, err := mirrored(t.Context(), h.streams(), 30, size); err != nil {
			t.Errorf("items of %d bytes: %v", size, err)
		}
	}
}

// TestRecvIntoMemory: what the receivers of both sides allocate does not depend on how much comes.
func TestRecvIntoMemory(t *testing.T) {
	h, _ := startStreams(t)
	const count, size = 300, 56 << 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := mirrored(t.Context(), h.streams(), count, size); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// For each item the test itself makes its data and five labels: one to send, and here and there one that is kept and one to compare.
	// Under the race detector pools forget some of what they are given.
	got := int64(after.TotalAlloc - before.TotalAlloc)
	if limit := int64(count * (size + 10*len(label(0)))); got > limit && !raceEnabled {
		t.Errorf("%d items of %d bytes took %d bytes of memory, at most %d expected", count, size, got, limit)
	}
}

// TestRecvIntoGoesOn: a message that is none is an error, and the stream goes on behind it.
func TestRecvIntoGoesOn(t *testing.T) {
	h, _ := startStreams(t)
	mirror := &rpc.Method{Service: "Streams", Name: "mirror", FullName: "Streams.mirror", Stream: rpc.StreamBoth}
	s, err := h.dial(h.tcp).Open(t.Context(), mirror, new(number))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Cancel()
	for i, bad := range []bool{true, false, true, true, false} {
		if bad {
			err = s.SendBytes(t.Context(), bytes.Repeat([]byte{0xff}, 20_000))
		} else {
			err = s.Send(t.Context(), &streamtest.Item{N: int64(i), Data: make([]byte, 20_000)})
		}
		if err != nil {
			t.Fatal(err)
		}
		var item streamtest.Item
		if err := s.RecvInto(t.Context(), &item); err != nil || bad != (item.Label != "") || !bad && item.N != int64(i) {
			t.Errorf("message %d came back as %d, %q: %v", i, item.N, item.Label, err)
		}
	}
}
