package server_test

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/internal/testpki"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Connections that the kernel has set up and that nobody has accepted when Shutdown begins are no accident: their clients
// have sent calls, and each of these is refused, so that it is known not to have been executed.
func TestShutdownWithConnectionsInTheQueue(t *testing.T) {
	server.SetHelloGrace(t, soon)
	pki := testpki.New(t, "authority")
	var held atomic.Bool
	arrived, release := make(chan struct{}), make(chan struct{})
	h := startTLS(t, server.WithTLS(pki.Server()), server.WithLoops(1), server.WithEvents(observe.Events{ConnOpened: func(c observe.ConnOpened) {
		if c.Peer.Network == "tcp" && held.CompareAndSwap(false, true) {
			close(arrived)
			<-release // which keeps the loop, and every accept that wants it
		}
	}}))
	connect := func(address string) net.Conn {
		t.Helper()
		network, where, _ := strings.Cut(address, "://")
		if network == "tls" {
			network = "tcp"
		}
		nc, err := net.Dial(network, where)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		if err := nc.SetDeadline(time.Now().Add(soon)); err != nil {
			t.Fatal(err)
		}
		return nc
	}
	first := connect(h.tcp)
	<-arrived
	second := connect(h.unix) // keeps the accept loop of the Unix socket, as the first one does the TCP port's

	const queued = 40
	var clients []net.Conn
	for range queued {
		clients = append(clients, connect(h.tcp), connect(h.unix))
	}
	call := nativeCall(t, 7, "echo", message(1), preamble())
	for _, nc := range clients {
		if _, err := nc.Write(call); err != nil {
			t.Fatal(err)
		}
	}
	thriftClient := connect(h.tcp)
	if _, err := thriftClient.Write(thriftCall(t, framedBinary, 3, "refuse", size32(0))); err != nil {
		t.Fatal(err)
	}

	shut := make(chan error, 1)
	go func() { shut <- h.srv.Shutdown(t.Context()) }()
	await(t, "Shutdown begins", func() bool { return h.srv.Snapshot(0).State == "draining" })
	time.Sleep(20 * time.Millisecond) // and has told the listener
	close(release)
	first.Close() // nobody is to wait for what they might say
	second.Close()

	for i, nc := range clients {
		var away, refused bool
		for _, f := range frames(t, drained(t, nc)) {
			switch f.header.Kind {
			case wire.KindGoAway:
				g, err := wire.ParseGoAway(f.payload)
				away = err == nil && g.Last == 0 && g.Code == 0
			case wire.KindError:
				e := wire.ParseError(f.payload)
				refused = f.header.Stream == 7 && e.Code == rpc.Unavailable && e.Execution == rpc.NotExecuted
			}
		}
		if !away || !refused {
			t.Errorf("client %d: goaway %v, refused %v", i, away, refused)
		}
	}
	seq, err := thriftReply(t, framedBinary, thriftClient)
	if seq != 3 || err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("the Thrift client: reply %d, %v", seq, err)
	}
	if err := <-shut; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(h.tcp, "tcp://")); err == nil {
		t.Error("somebody listens still")
	}
}

// A TLS client that is in its handshake when Shutdown begins gets to its refusal, too.
func TestShutdownDuringAHandshake(t *testing.T) {
	server.SetHelloGrace(t, soon)
	pki := testpki.New(t, "authority")
	hello, release := make(chan struct{}, 1), make(chan struct{})
	config := pki.Server()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		hello <- struct{}{}
		<-release
		return nil, nil
	}
	h := startTLS(t, server.WithTLS(config))
	type result struct {
		sent []byte
		err  error
	}
	got := make(chan result, 1)
	raw, err := net.Dial("tcp", strings.TrimPrefix(h.tls, "tls://"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	in := nativeCall(t, 7, "echo", message(1), preamble())
	go func() {
		clientConfig := pki.Client(nil)
		clientConfig.ServerName = "127.0.0.1"
		nc := tls.Client(raw, clientConfig)
		_, err := nc.Write(in)
		var sent []byte
		for err == nil {
			b := make([]byte, 4096)
			var n int
			n, err = nc.Read(b)
			sent = append(sent, b[:n]...)
		}
		got <- result{sent, err}
	}()
	<-hello
	shut := make(chan error, 1)
	go func() { shut <- h.srv.Shutdown(t.Context()) }()
	await(t, "Shutdown begins", func() bool { return h.srv.Snapshot(0).State == "draining" })
	close(release)
	r := <-got
	var timeout net.Error
	if errors.As(r.err, &timeout) && timeout.Timeout() {
		t.Fatal("the connection stayed open")
	}
	refused := false
	for _, f := range frames(t, r.sent) {
		refused = refused || f.header.Kind == wire.KindError && f.header.Stream == 7 && wire.ParseError(f.payload).Execution == rpc.NotExecuted
	}
	if !refused {
		t.Errorf("the call was not refused: %v", r.err)
	}
	if err := <-shut; err != nil {
		t.Error(err)
	}
}
