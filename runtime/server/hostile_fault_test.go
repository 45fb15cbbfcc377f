package server_test

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// More bad input, besides that of hostile_test.go and abuse_test.go: what holds with the limits that a server has by
// default, over sockets.

// TestFrameRate: a frame may take 30 s, but at less than 1,024 bytes/s it is cut off after 5.
func TestFrameRate(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 7 s")
	}
	t.Parallel()
	h := start(t)
	const size = 60_000
	open := append(preamble(), wire.AppendFrameHeader(nil, wire.FrameHeader{Length: size, Kind: 0x80})...)
	feed := func(rate int, d time.Duration) (nc net.Conn, sent int, err error) {
		nc = h.raw()
		if _, err := nc.Write(open); err != nil {
			return nc, 0, err
		}
		for begin := time.Now(); time.Since(begin) < d; time.Sleep(50 * time.Millisecond) {
			due := int(time.Since(begin).Seconds() * float64(rate)) // however late the machine is
			n, err := nc.Write(make([]byte, min(due, size-1)-sent))
			if sent += n; err != nil {
				return nc, sent, err
			}
		}
		return nc, sent, nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		begin := time.Now()
		nc, sent, err := feed(512, soon)
		if d := time.Since(begin); err == nil || d < 5*time.Second || d > 9*time.Second {
			t.Errorf("512 bytes/s went on for %v, %d bytes: %v", d, sent, err)
		}
		h.ended(nc, "a frame comes in too slowly")
	})
	wg.Go(func() {
		nc, sent, err := feed(4096, 7*time.Second)
		if err != nil || sent >= size {
			t.Errorf("4,096 bytes/s: %d bytes, %v", sent, err)
			return
		}
		in := nativeCall(t, 1, "refuse", size32(0), make([]byte, size-sent))
		if _, err := nc.Write(in); err != nil {
			t.Error(err)
		}
		greeted(t, nc)
		if _, err := nativeReply(t, nc, 1); err != nil {
			t.Errorf("a call behind a frame that was not too slow: %v", err)
		}
	})
	wg.Wait()
}

// metadataOf encodes pairs as they come, good or bad.
func metadataOf(pairs ...string) (b []byte) {
	for _, s := range pairs {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

// TestHostileMetadata: what is over the limits, or could be taken for something else by a log or an HTTP header, is refused
// together with its call; what is just within them is not.
func TestHostileMetadata(t *testing.T) {
	h := abused(t, modest)
	nc := h.raw()
	if _, err := nc.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	greeted(t, nc)
	most := metadataOf("k", strings.Repeat("v", wire.MaxMetadata-4))
	if len(most) != wire.MaxMetadata {
		t.Fatalf("%d bytes", len(most))
	}
	id := uint64(0)
	for name, tc := range map[string]struct {
		metadata []byte
		code     rpc.Code
	}{
		"64 pairs":              {slices.Repeat(metadataOf("k", "v"), 64), 0},
		"65 pairs":              {slices.Repeat(metadataOf("k", "v"), 65), rpc.ResourceExhausted},
		"8 KiB":                 {most, 0},
		"8 KiB and a byte":      {metadataOf("k", strings.Repeat("v", wire.MaxMetadata-3)), rpc.ResourceExhausted},
		"any bytes in a value":  {metadataOf("k", "\x01\x1b[31m\xff\x7f"), 0},
		"every character":       {metadataOf("abcxyz0189_.-", ""), 0},
		"no key":                {metadataOf("", "v"), rpc.InvalidArgument},
		"upper case":            {metadataOf("Key", "v"), rpc.InvalidArgument},
		"a space in a key":      {metadataOf("a key", "v"), rpc.InvalidArgument},
		"a colon in a key":      {metadataOf("key:", "v"), rpc.InvalidArgument},
		"a line break in a key": {metadataOf("k\r\nevil", "v"), rpc.InvalidArgument},
		"NUL in a key":          {metadataOf("k\x00", "v"), rpc.InvalidArgument},
		"not ASCII":             {metadataOf("k\u0435y", "v"), rpc.InvalidArgument},
		"CR LF in a value":      {metadataOf("k", "v\r\nset-cookie: x"), rpc.InvalidArgument},
		"CR in a value":         {metadataOf("k", "v\r"), rpc.InvalidArgument},
		"LF in a value":         {metadataOf("k", "\nv"), rpc.InvalidArgument},
		"NUL in a value":        {metadataOf("k", "v\x00"), rpc.InvalidArgument},
		"a key without value":   {metadataOf("k"), rpc.InvalidArgument},
		"a value beyond it":     {append(metadataOf("k"), 200, 1, 'v'), rpc.InvalidArgument},
		"a length of 2^63":      {append(metadataOf("k"), binary.AppendUvarint(nil, 1<<63)...), rpc.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			id++
			header := wire.CallHeader{CallOptions: wire.CallOptions{Metadata: tc.metadata}}
			if _, err := nc.Write(rawCall(id, "refuse", header, []byte{8, 0, 1, 0, 0, 0, 0, 0}, nil)); err != nil {
				t.Fatal(err)
			}
			_, err := nativeReply(t, nc, id)
			switch e, _ := err.(*rpc.Error); {
			case tc.code == 0 && err != nil:
				t.Errorf("refused: %v", err)
			case tc.code != 0 && (e == nil || e.Code != tc.code || e.Execution != rpc.NotExecuted):
				t.Errorf("got %v, want %v", err, tc.code)
			}
		})
	}
}

// TestShortSnappyChunk: the 15 bytes of CVE-2026-44302, a data chunk too short for its checksum, on which a decoder once span
// for ever, in each place that takes Snappy's framing.
func TestShortSnappyChunk(t *testing.T) {
	h := abused(t, modest)
	nc := h.raw()
	if _, err := nc.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	greeted(t, nc)
	begin := time.Now()
	id := uint64(0)
	for _, kind := range []byte{0, 1} {
		for _, size := range []byte{0, 1, 2, 3} {
			body := append([]byte(snappyMark), kind, size, 0, 0)
			body = append(body, make([]byte, size)...)
			if size == 1 && len(body) != 15 {
				t.Fatalf("%d bytes", len(body))
			}
			for _, rawSize := range []int{0, 1, 65536} {
				id++
				if _, err := nc.Write(rawCall(id, "packed", wire.CallHeader{Compression: wire.CompressionSnappy, RawSize: rawSize}, body, nil)); err != nil {
					t.Fatal(err)
				}
				_, err := nativeReply(t, nc, id)
				if e, _ := err.(*rpc.Error); e == nil || e.Code != rpc.InvalidArgument || e.Execution != rpc.NotExecuted {
					t.Errorf("chunk of type %d and %d bytes for %d: %v", kind, size, rawSize, err)
				}
			}
		}
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestNeverReadsByDefault: a peer that reads no reply is cut off at 64 MiB, or after 10 s, and counted.
func TestNeverReadsByDefault(t *testing.T) {
	cutOff := func(t *testing.T, h *host, size int32, calls uint64) (took time.Duration) {
		nc := h.raw()
		if err := nc.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil { // or the kernel reads on for us
			t.Fatal(err)
		}
		if _, err := nc.Write(preamble()); err != nil {
			t.Fatal(err)
		}
		for id := range calls {
			if _, err := nc.Write(nativeCall(t, id+1, "big", size32(size), nil)); err != nil {
				break
			}
		}
		begin := time.Now()
		h.ended(nc, "slow consumer")
		return time.Since(begin)
	}
	counting := func(ends chan observe.ConnClosed) server.Option {
		return server.WithEvents(observe.Events{ConnClosed: func(c observe.ConnClosed) { ends <- c }})
	}
	counted := func(t *testing.T, ends chan observe.ConnClosed) {
		if c := arrives(t, ends, "the end of the connection"); c.End != observe.EndSlowConsumer {
			t.Errorf("counted as %s: %v", c.End, c.Reason)
		}
	}
	t.Run("64 MiB", func(t *testing.T) {
		ends := make(chan observe.ConnClosed, 10)
		// Two workers: what they are about to answer with counts besides.
		h := abused(t, 64<<20+160<<20, server.WithWorkers(2), counting(ends))
		if d := cutOff(t, h, 8<<20, 20); d > 9*time.Second {
			t.Errorf("it took %v, in which others may have been at work", d)
		}
		counted(t, ends)
	})
	t.Run("10 s", func(t *testing.T) {
		if testing.Short() {
			t.Skip("it takes 10 s")
		}
		t.Parallel()
		ends := make(chan observe.ConnClosed, 10)
		h := start(t, counting(ends))
		if d := cutOff(t, h, 8<<20, 2); d < 9*time.Second || d > 15*time.Second {
			t.Errorf("cut off after %v", d)
		}
		counted(t, ends)
	})
}

// alert is how a server of TLS refuses what is no TLS. Its first four bytes, read as the length of a frame, are 352,518,912.
const alert = "\x15\x03\x03\x00\x02\x02\x28"

// TestTLSAlertAsALength: whoever meets a TLS record where a length belongs says so, and does not wait for 352,518,912
// bytes.
func TestTLSAlertAsALength(t *testing.T) {
	if n := binary.BigEndian.Uint32([]byte(alert)); n != 352_518_912 {
		t.Fatal(n)
	}
	// A client of a server that speaks TLS only.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = nc.Read(make([]byte, 1000))
			_, _ = nc.Write([]byte(alert))
			_ = nc.(*net.TCPConn).CloseWrite()
			_, _ = nc.Read(make([]byte, 1000))
			nc.Close()
		}
	})
	address := "tcp://" + ln.Addr().String()
	for name, opts := range map[string][]client.Option{
		"native":   nil,
		"framed":   {client.WithThrift(client.Thrift{})},
		"unframed": {client.WithThrift(client.Thrift{Transport: client.Unframed})},
		"header":   {client.WithThrift(client.Thrift{Transport: client.Header})},
	} {
		t.Run(name+" client", func(t *testing.T) {
			begin := time.Now()
			c, err := client.Dial(t.Context(), address, opts...)
			if err == nil {
				defer c.Close()
				_, err = identify(c)
			}
			execution := rpc.MaybeExecuted
			if e := new(rpc.Error); errors.As(err, &e) && strings.Contains(e.Message, "next attempt in") {
				execution = rpc.NotExecuted // the connection had failed before the call was made
			}
			wantError(t, err, rpc.Unavailable, execution, "a TLS server")
			if d := time.Since(begin); d > 4*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
	// A server, whose client turns out to speak TLS, at once or later.
	for name, before := range map[string][]byte{
		"first":  nil,
		"framed": thriftCall(t, framedBinary, 1, "refuse", size32(0)),
		"header": thriftCall(t, thrift.Dialect{Header: true, Strict: true}, 1, "refuse", size32(0)),
	} {
		t.Run("server, "+name, func(t *testing.T) {
			h := abused(t, modest)
			nc := h.raw()
			if _, err := nc.Write(append(slices.Clone(before), alert...)); err != nil {
				t.Fatal(err)
			}
			drained(t, nc)
			want := "352518912 bytes, at most 16384000"
			if before == nil {
				want = "speaks TLS"
			}
			h.log.wants(t, slog.LevelWarn, "connection ended", "peer="+nc.LocalAddr().String(), want, "TLS")
		})
	}
}
