//go:build unix

package client

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// socketEnds are the ways in which a wait for a socket ends without bytes.
var socketEnds = map[string]struct {
	make func(ours, theirs *net.TCPConn)
	want error // nil: only the same as that of Read or Write
}{
	"the end":    {func(_, theirs *net.TCPConn) { theirs.Close() }, io.EOF},
	"a reset":    {func(_, theirs *net.TCPConn) { theirs.SetLinger(0); theirs.Close() }, nil},
	"a deadline": {func(ours, _ *net.TCPConn) { ours.SetDeadline(time.Now().Add(10 * time.Millisecond)) }, os.ErrDeadlineExceeded},
	"closed here": {func(ours, _ *net.TCPConn) {
		time.AfterFunc(10*time.Millisecond, func() { ours.Close() })
	}, net.ErrClosed},
}

// cause returns what is below the *net.OpError, which must be there unless err is io.EOF: its Op and addresses are for people.
func cause(t *testing.T, err error) string {
	t.Helper()
	op := (*net.OpError)(nil)
	if err == io.EOF {
		return "EOF"
	}
	if !errors.As(err, &op) || op.Source == nil || op.Addr == nil || op.Net != "tcp" {
		t.Errorf("%v lacks where it happened", err)
		return ""
	}
	return op.Err.Error()
}

// checkEnd compares err, of a wait that has ended, with the error of plain, Read or Write, which fares likewise.
func checkEnd(t *testing.T, name string, err error, plain func(nc *net.TCPConn) error) {
	t.Helper()
	end := socketEnds[name]
	if err == nil || end.want != nil && !errors.Is(err, end.want) {
		t.Errorf("%s: %v", name, err)
	}
	ours, theirs := sockets(t)
	end.make(ours, theirs)
	if got, want := cause(t, err), cause(t, plain(ours)); got != want {
		t.Errorf("%s: %q, the plain one says %q", name, got, want)
	}
}

// TestSockRead compares a sockReader with the Read whose place it takes.
func TestSockRead(t *testing.T) {
	for name, end := range socketEnds {
		ours, theirs := sockets(t)
		r := newSockReader(ours)
		b := make([]byte, 2)
		time.AfterFunc(5*time.Millisecond, func() { theirs.Write([]byte("abc")) })
		for _, want := range []string{"ab", "c"} {
			if n, err := r.read(b); string(b[:n]) != want || err != nil {
				t.Errorf("%s: before, %q: %v", name, b[:n], err)
			}
		}
		if n, err := r.read(nil); n != 0 || err != nil {
			t.Errorf("%s: without a buffer: %d, %v", name, n, err)
		}
		end.make(ours, theirs)
		n, err := r.read(b)
		if n != 0 {
			t.Errorf("%s: %d bytes", name, n)
		}
		checkEnd(t, name, err, func(nc *net.TCPConn) error { _, err := nc.Read(b); return err })
	}
}

// TestWriteAll compares writeAll with the Write whose place it takes, for more than the socket takes at once.
func TestWriteAll(t *testing.T) {
	message := bytes.Repeat([]byte("0123456789"), 1<<20)
	ours, theirs := sockets(t)
	got := make(chan []byte, 1)
	go func() {
		b := make([]byte, len(message))
		n, _ := io.ReadFull(theirs, b)
		got <- b[:n]
	}()
	if n, err := newTryWriter(ours).writeAll(message); n != len(message) || err != nil {
		t.Fatalf("%d of %d bytes: %v", n, len(message), err)
	}
	if b := <-got; !bytes.Equal(b, message) {
		t.Errorf("%d bytes of %d came, or others", len(b), len(message))
	}
	for name, end := range socketEnds {
		if name == "the end" { // is none for a writer, and the write after it a reset or a broken pipe
			continue
		}
		ours, theirs := sockets(t)
		end.make(ours, theirs)
		n, err := newTryWriter(ours).writeAll(message)
		if n == len(message) {
			t.Errorf("%s: all bytes", name)
		}
		checkEnd(t, name, err, func(nc *net.TCPConn) error { _, err := nc.Write(message); return err })
	}
}

// TestSockReadBulk: much at a time is read whole, and small reads after it.
func TestSockReadBulk(t *testing.T) {
	ours, theirs := sockets(t)
	r := newSockReader(ours)
	message := make([]byte, 4<<20)
	for i := range message {
		message[i] = byte(i % 251)
	}
	go theirs.Write(message)
	b, got := make([]byte, 1<<20), make([]byte, 0, len(message))
	for turn := 0; len(got) < len(message); turn++ {
		some := b
		if turn%3 == 2 {
			some = b[:100]
		}
		n, err := r.read(some)
		if n == 0 || err != nil {
			t.Fatalf("after %d bytes: %d, %v", len(got), n, err)
		}
		got = append(got, some[:n]...)
	}
	if !bytes.Equal(got, message) {
		t.Error("other bytes came")
	}
	theirs.Close()
	if n, err := r.read(b); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
}
