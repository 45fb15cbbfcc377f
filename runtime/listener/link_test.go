package listener

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/internal/testpki"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// secured is a TLS server with what its clients need.
type secured struct {
	*testServer
	pki *testpki.Authority
}

// serveTLS starts a Listener on loopback that asks clients for certificates and takes those without too.
func serveTLS(t testing.TB, opts Options, setup func(c *testConn)) *secured {
	t.Helper()
	pki := testpki.New(t, "test authority")
	config := pki.Server()
	config.ClientAuth = tls.VerifyClientCertIfGiven
	return &secured{serveWith(t, "tls://127.0.0.1:0", ListenOptions{TLS: config}, opts, setup), pki}
}

// dialTLS returns a secured connection and what is underneath.
func (s *secured) dialTLS(subject *testpki.Subject) (*tls.Conn, *net.TCPConn) {
	s.t.Helper()
	raw := dial(s.t, s.testServer)
	config := s.pki.Client(subject)
	config.ServerName = "localhost"
	nc := tls.Client(raw, config)
	if err := nc.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	return nc, raw.(*net.TCPConn)
}

func (s *secured) connectTLS() (*tls.Conn, *testConn) {
	s.t.Helper()
	nc, _ := s.dialTLS(nil)
	return nc, s.next()
}

func TestTLSEcho(t *testing.T) {
	s := serveTLS(t, Options{}, nil)
	nc, c := s.connectTLS()
	sent := make([]byte, 3<<20)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	go func() { _, _ = nc.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(nc, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Error("the echo differs")
	}
	nc.Close()
	if err := c.wait(); err != io.EOF {
		t.Errorf("closed with %v, want io.EOF itself", err)
	}
	eventually(t, "the connection is counted out", func() bool { return s.Stats().Open == 0 })
}

func TestTLSPeer(t *testing.T) {
	s := serveTLS(t, Options{}, nil)
	nc, raw := s.dialTLS(&testpki.Subject{CommonName: "web", URIs: []string{"spiffe://prod/web"}})
	c := s.next()
	state := nc.ConnectionState()
	binding, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		t.Fatal(err)
	}
	p := c.conn.Peer()
	if p.Network != "tls" || p.Address != raw.LocalAddr().String() || p.UID != -1 || p.GID != -1 || p.PID != -1 ||
		p.Identity.String() != "tls:spiffe://prod/web" || !bytes.Equal(p.Binding, binding) {
		t.Errorf("peer %+v", p)
	}
	s.dialTLS(nil)
	if p := s.next().conn.Peer(); p.Identity != (rpc.Identity{}) || len(p.Binding) != 32 {
		t.Errorf("a peer without a certificate: %+v", p)
	}
	if got := s.addr; !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("address %q", got)
	}
}

func TestCertificateName(t *testing.T) {
	mustURL := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, tt := range []struct {
		cert x509.Certificate
		want string
	}{
		{x509.Certificate{URIs: []*url.URL{mustURL("spiffe://prod/web"), mustURL("spiffe://prod/admin")}, DNSNames: []string{"a.b"}}, "spiffe://prod/web"},
		{x509.Certificate{URIs: []*url.URL{mustURL("plain")}, DNSNames: []string{"a.b"}}, ""},
		{x509.Certificate{DNSNames: []string{"Web.Example.com", "x"}}, "web.example.com"},
		{x509.Certificate{DNSNames: []string{"spiffe://prod/admin"}}, ""},
		{x509.Certificate{DNSNames: []string{"CN=admin"}}, ""},
		{x509.Certificate{DNSNames: []string{"."}}, ""},
		{x509.Certificate{}, ""},
	} {
		if got := certificateName(&tt.cert); got != tt.want {
			t.Errorf("%v %v: %q, want %q", tt.cert.URIs, tt.cert.DNSNames, got, tt.want)
		}
	}
	var named x509.Certificate
	named.Subject.CommonName = "spiffe://prod/admin"
	if got := certificateName(&named); got != "CN=spiffe://prod/admin" {
		t.Errorf("a common name became %q", got)
	}
	unverified := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{&named}}
	if id := identityOf(unverified); id != (rpc.Identity{}) {
		t.Errorf("a certificate that was not verified gives %v", id)
	}
}

// TestTLSWakeStorm has many goroutines produce output at once.
func TestTLSWakeStorm(t *testing.T) {
	const senders, records = 16, 2000
	s := serveTLS(t, Options{Window: 32 << 10}, nil)
	nc, c := s.connectTLS()
	for i := range senders {
		go func() {
			for n := range records {
				c.send([]byte{byte(i), byte(n >> 8), byte(n)})
			}
		}()
	}
	var next [senders]int
	b := make([]byte, 3*senders*records)
	if _, err := io.ReadFull(nc, b); err != nil {
		t.Fatal(err)
	}
	for ; len(b) > 0; b = b[3:] {
		n := int(b[1])<<8 | int(b[2])
		if int(b[0]) >= senders || n != next[b[0]] {
			t.Fatalf("sender %d: record %d, want %d", b[0], n, next[b[0]])
		}
		next[b[0]]++
	}
	roundTrip(t, nc) // and nothing after them
}

func TestTLSBacklog(t *testing.T) {
	s := serveTLS(t, Options{Window: 64 << 10}, nil)
	nc, c := s.connectTLS()
	want, size := sha256.New(), 0
	for size < 24<<20 {
		b := make([]byte, rand.IntN(1<<rand.IntN(20)))
		for i := 0; i < len(b); i += 512 {
			b[i] = byte(rand.Uint32())
		}
		want.Write(b)
		size += len(b)
		c.send(b)
	}
	got := sha256.New()
	if n, err := io.CopyN(got, nc, int64(size)); err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, size, err)
	}
	if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Error("other bytes arrived than were sent")
	}
	roundTrip(t, nc)
}

// TestTLSNeverReadingClient is cut after the stall timeout; what was taken from its output until then is bounded.
func TestTLSNeverReadingClient(t *testing.T) {
	const window = 256 << 10
	var taken atomic.Int64
	var made atomic.Int32
	block := make([]byte, 64<<10)
	s := serveTLS(t, Options{Window: window, StallTimeout: 300 * time.Millisecond}, func(c *testConn) {
		if made.Add(1) == 1 {
			return
		}
		c.onNext = func() { // has more whenever it is asked
			c.mu.Lock()
			defer c.mu.Unlock()
			for range window / len(block) {
				c.pending = append(c.pending, block)
			}
			taken.Add(window)
		}
	})
	good, _ := s.connectTLS()
	stop := bystander(t, good)
	_, raw := s.dialTLS(nil)
	c := s.next()
	c.conn.Wake()
	if err := c.wait(); err != ErrSlowConsumer {
		t.Errorf("closed with %v, want ErrSlowConsumer", err)
	}
	stop()
	if n := taken.Load(); n > 64<<20 {
		t.Errorf("%d bytes were taken for a client that reads none", n)
	}
	if n := s.Stats().SlowConsumers; n != 1 {
		t.Errorf("%d slow consumers counted, want 1", n)
	}
	if _, err := io.Copy(io.Discard, raw); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's read ends with %v, want a reset", err)
	}
}

// TestTLSCloseSendsPending closes with more pending than the socket holds, and says so in TLS's own way.
func TestTLSCloseSendsPending(t *testing.T) {
	reason := errors.New("enough")
	s := serveTLS(t, Options{CloseGrace: patience}, nil)
	nc, c := s.connectTLS()
	const size = 16 << 20
	c.send(make([]byte, size))
	c.conn.Close(reason)
	c.conn.Close(errors.New("later"))
	if n, err := io.Copy(io.Discard, nc); n != size || err != nil {
		t.Errorf("received %d bytes, %v; want %d and the end", n, err, size)
	}
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the stream ends with %v, want a close_notify", err)
	}
	nc.Close()
	if err := c.wait(); err != reason {
		t.Errorf("closed with %v, want %v", err, reason)
	}
	c.send([]byte("x"))
	c.conn.Close(nil)
	c.conn.Abort(nil)
}

func TestTLSCloseGrace(t *testing.T) {
	for _, pending := range []int{0, 32 << 20} {
		s := serveTLS(t, Options{CloseGrace: 100 * time.Millisecond}, nil)
		_, c := s.connectTLS()
		c.send(make([]byte, pending))
		c.conn.Close(nil)
		if err := c.wait(); err != ErrClosed {
			t.Errorf("%d bytes pending: closed with %v, want ErrClosed", pending, err)
		}
	}
}

// TestTLSCloseDoesNotReset has a client that goes on sending after the server has given it up.
func TestTLSCloseDoesNotReset(t *testing.T) {
	words := strings.Repeat("this port speaks something else. ", 1000)
	bad := errors.New("not our protocol")
	s := serveTLS(t, Options{CloseGrace: patience}, func(c *testConn) {
		c.onFeed = func(c *testConn, _ []byte) error {
			c.send([]byte(words))
			return bad
		}
	})
	sendsOn(t, words, bad, 4<<10, 0, func() (net.Conn, *testConn) { return s.connectTLS() })
}

func TestTLSHalfClosedPeerGetsWhatIsReady(t *testing.T) {
	s := serveTLS(t, Options{}, nil)
	nc, c := s.connectTLS()
	roundTrip(t, nc)
	c.mu.Lock()
	c.pending = append(c.pending, []byte("answer")) // Wake would come next
	c.mu.Unlock()
	if err := nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(nc); string(got) != "answer" || err != nil {
		t.Errorf("received %q, %v; want the answer", got, err)
	}
	nc.Close()
	if err := c.wait(); err != io.EOF {
		t.Errorf("closed with %v, want io.EOF", err)
	}
}

func TestTLSAbort(t *testing.T) {
	reason := errors.New("cut")
	s := serveTLS(t, Options{CloseGrace: patience}, nil)
	_, raw := s.dialTLS(nil)
	c := s.next()
	c.send(make([]byte, 32<<20))
	c.conn.Close(reason)
	c.conn.Abort(errors.New("later"))
	if err := c.wait(); err != reason {
		t.Errorf("closed with %v, want the first reason", err)
	}
	if _, err := io.Copy(io.Discard, raw); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's read ends with %v, want a reset", err)
	}
}

func TestTLSCheck(t *testing.T) {
	expired := errors.New("expired")
	var calls atomic.Int32
	s := serveTLS(t, Options{CheckInterval: 10 * time.Millisecond}, func(c *testConn) {
		c.onCheck = func() error {
			if calls.Add(1) < 3 {
				return nil
			}
			return expired
		}
	})
	nc, c := s.connectTLS()
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client reads %v, want the end", err)
	}
	nc.Close()
	if err := c.wait(); err != expired || calls.Load() != 3 {
		t.Errorf("closed with %v after %d checks, want %v after 3", err, calls.Load(), expired)
	}
}

// TestTLSPanics has every method panic in turn: that connection ends, and nothing else.
func TestTLSPanics(t *testing.T) {
	for _, in := range []string{"accept", "handshake", "Feed", "Check", "Closed", "Next", "Written"} {
		t.Run(in, func(t *testing.T) {
			pki := testpki.New(t, "authority")
			config := pki.Server()
			if in == "handshake" {
				config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
					if hello.ServerName == "bad.localhost" {
						panic("handshake")
					}
					return nil, nil
				}
			}
			var made atomic.Int32
			bad := make(chan *testConn, 1)
			l, err := New(Options{CheckInterval: 10 * time.Millisecond}, func(conn *Conn) (Session, Output) {
				c := &testConn{t: t, conn: conn, onFeed: echo, ended: make(chan struct{})}
				if made.Add(1) == 1 {
					return c, c
				}
				bad <- c
				if in == "accept" {
					panic("accept")
				}
				return panicking{c, in}, panicking{c, in}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close(t.Context())
			ln, err := Listen("tls://127.0.0.1:0", ListenOptions{TLS: config})
			if err != nil {
				t.Fatal(err)
			}
			go l.Serve(ln)
			s := &testServer{Listener: l, t: t, addr: ln.Addr().String()}
			client := pki.Client(nil)
			client.ServerName = "localhost"
			stop := bystander(t, tls.Client(dial(t, s), client))
			badClient := client.Clone()
			if in == "handshake" {
				badClient.ServerName = "bad.localhost"
			}
			nc := tls.Client(dial(t, s), badClient)
			_, _ = nc.Write([]byte("hello"))
			switch in {
			case "handshake", "accept": // no session, so nobody to tell
				if _, err := nc.Read(make([]byte, 1)); err == nil {
					t.Error("the connection lives on")
				}
			case "Closed":
				c := <-bad
				nc.Close()
				_ = c.wait()
			default:
				if err := (<-bad).wait(); !errors.Is(err, ErrPanic) {
					t.Errorf("closed with %v, want ErrPanic", err)
				}
			}
			eventually(t, "the connection is counted out", func() bool { return l.Stats().Open == 1 })
			if l.Stats().Panics == 0 {
				t.Error("the panic was not counted")
			}
			stop()
		})
	}
}

// TestTLSCloseRaces ends connections from all sides at once. testConn checks that Closed comes once, with no buffer out.
func TestTLSCloseRaces(t *testing.T) {
	s := serveTLS(t, Options{CloseGrace: 10 * time.Millisecond, CheckInterval: time.Millisecond}, nil)
	config := s.pki.Client(nil)
	config.ServerName = "localhost"
	var wg sync.WaitGroup
	for range 100 {
		raw := dial(t, s.testServer)
		nc := tls.Client(raw, config)
		if err := nc.Handshake(); err != nil {
			t.Fatal(err)
		}
		c := s.next()
		for _, f := range []func(){
			func() { _, _ = nc.Write([]byte("hello")); raw.Close() },
			func() { c.send([]byte("a")); c.conn.Close(nil); c.send([]byte("b")) },
			func() { c.send([]byte("c")); c.conn.Abort(nil); c.conn.Wake() },
			func() { s.Conns(func(c *Conn) bool { c.Wake(); return c.Peer() != nil }) },
		} {
			wg.Go(f)
		}
		defer c.wait()
	}
	wg.Wait()
	eventually(t, "all connections are gone", func() bool { return s.Stats().Open == 0 })
}

// TestTLSSlowHandshake trickles a handshake in, byte by byte, and stops in the middle of others.
func TestTLSSlowHandshake(t *testing.T) {
	failures := make(chan error, 10)
	// The well-behaved client needs some of the timeout, too; all wait for it together.
	opts := Options{HandshakeTimeout: 2 * time.Second, HandshakeFailed: func(p *rpc.Peer, err error) { failures <- err }}
	s := serveTLS(t, opts, nil)
	good, _ := s.connectTLS()
	stop := bystander(t, good)
	var stopped []net.Conn
	for _, said := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01"} {
		nc := dial(t, s.testServer)
		_, _ = io.WriteString(nc, said)
		stopped = append(stopped, nc)
	}
	nc := dial(t, s.testServer)
	go func() {
		for _, b := range []byte("\x16\x03\x01\x40\x00" + strings.Repeat("\x01", 1<<10)) {
			if _, err := nc.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond) // it is slow, and not silent
		}
	}()
	for range 4 {
		if err := <-failures; err != ErrHandshakeTimeout {
			t.Errorf("%v, want ErrHandshakeTimeout", err)
		}
	}
	for _, nc := range stopped {
		if _, err := io.Copy(io.Discard, nc); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client reads %v, want the end", err)
		}
	}
	stop()
	if n := s.Stats().Handshakes; n != 4 {
		t.Errorf("%d failed handshakes counted, want 4", n)
	}
}

// TestTLSHandshakeCountsAsConnection fills a server up with connections that say nothing.
func TestTLSHandshakeCountsAsConnection(t *testing.T) {
	s := serveTLS(t, Options{MaxConns: 3, HandshakeTimeout: patience}, nil)
	for range 3 {
		dial(t, s.testServer)
	}
	eventually(t, "three are in", func() bool { return s.Stats().Open == 3 })
	nc := dial(t, s.testServer)
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("a fourth connection was let in")
	}
	if n := s.Stats().RefusedLimit; n != 1 {
		t.Errorf("%d refused, want 1", n)
	}
	// And the end of the test closes the Listener, which must not wait for the handshakes.
}

func TestTLSRefusedCertificates(t *testing.T) {
	failures := make(chan error, 10)
	pki := testpki.New(t, "authority")
	other := testpki.New(t, "another authority")
	config := pki.Server()
	config.ClientAuth = tls.RequireAndVerifyClientCert
	s := serveWith(t, "tls://127.0.0.1:0", ListenOptions{TLS: config},
		Options{HandshakeFailed: func(_ *rpc.Peer, err error) { failures <- err }}, nil)
	for _, tt := range []struct {
		name           string
		pair           *testpki.Pair
		server, client string // what either side reports
	}{
		{"none", nil, "didn't provide a certificate", "certificate required"},
		{"expired", ptr(pki.Issue(testpki.Subject{CommonName: "x", Expired: true})), "expired", "expired certificate"},
		{"self-signed", ptr(pki.Issue(testpki.Subject{CommonName: "x", SelfSigned: true})), "unknown authority", "unknown certificate authority"},
		{"another authority", ptr(other.Issue(testpki.Subject{CommonName: "x"})), "unknown authority", "unknown certificate authority"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := pki.Client(nil)
			client.ServerName = "localhost"
			if tt.pair != nil { // sent even if the server did not ask for its issuer
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tt.pair.TLS, nil }
			}
			nc := tls.Client(dial(t, s), client)
			_, _ = nc.Write([]byte("sent before the server has judged"))
			if _, err := nc.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), tt.client) {
				t.Errorf("the client is told %v, want %q", err, tt.client)
			}
			if err := <-failures; !strings.Contains(err.Error(), tt.server) {
				t.Errorf("the server reports %v, want %q", err, tt.server)
			}
		})
	}
	if n := s.Stats().Accepted; n != 0 {
		t.Errorf("%d connections reached a session", n)
	}
}

func ptr[T any](v T) *T { return &v }

func TestTLSVersions(t *testing.T) {
	pki := testpki.New(t, "authority")
	for _, tt := range []struct {
		min, client uint16
		ok          bool
	}{
		{0, tls.VersionTLS13, true},
		{0, tls.VersionTLS12, false},
		{tls.VersionTLS12, tls.VersionTLS12, true},
		{tls.VersionTLS12, tls.VersionTLS11, false},
	} {
		config := pki.Server()
		config.MinVersion = tt.min
		s := serveWith(t, "tls://127.0.0.1:0", ListenOptions{TLS: config}, Options{}, nil)
		client := pki.Client(nil)
		client.ServerName, client.MinVersion, client.MaxVersion = "localhost", tls.VersionTLS10, tt.client
		err := tls.Client(dial(t, s), client).Handshake()
		if ok := err == nil; ok != tt.ok {
			t.Errorf("minimum %x, client %x: %v", tt.min, tt.client, err)
		}
	}
	if _, err := Listen("tls://127.0.0.1:0", ListenOptions{}); err == nil {
		t.Error("Listen without a configuration succeeds")
	}
}

// TestTLSPlaintextClient speaks other things to a TLS port.
func TestTLSPlaintextClient(t *testing.T) {
	failures := make(chan error, 10)
	s := serveTLS(t, Options{
		HandshakeTimeout: patience,
		HandshakeFailed:  func(_ *rpc.Peer, err error) { failures <- err },
		Plaintext:        func(prefix []byte) []byte { return append([]byte("not TLS: "), prefix...) },
	}, nil)
	for said, want := range map[string]string{
		"KUAF\x01 and so on":                   "not TLS: KUAF\x01 and so on",
		"GET / HTTP/1.1\r\n":                   "not TLS: GET / HTTP/1.1\r\n",
		"\x00\x00\x00\x20\x80\x01\x00\x01":     "not TLS: \x00\x00\x00\x20\x80\x01\x00\x01",
		"\x80\x01\x00\x01\x00\x00\x00\x04ping": "\x15\x03\x01\x00\x02\x02\x46", // looks like SSL 2 to crypto/tls
	} {
		nc := dial(t, s.testServer)
		if _, err := io.WriteString(nc, said); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(nc); string(got) != want || err != nil {
			t.Errorf("%q is answered %q, %v; want %q", said, got, err, want)
		}
		if err := <-failures; !errors.Is(err, ErrPlaintext) {
			t.Errorf("%q is reported as %v", said, err)
		}
	}
}

// TestThousandTLSConnections holds a thousand, uses each, and says what they cost.
func TestThousandTLSConnections(t *testing.T) {
	const n = 1000
	s := serveTLS(t, Options{MaxConnsPerIP: 2 * n, HandshakeTimeout: patience}, nil)
	config := s.pki.Client(nil)
	config.ServerName = "localhost"
	conns := make([]*tls.Conn, n)
	before, used := goroutines(), memory()
	var wg sync.WaitGroup
	gate := make(chan struct{}, 32)
	for i := range conns {
		gate <- struct{}{}
		raw := dial(t, s.testServer)
		wg.Go(func() {
			defer func() { <-gate }()
			conns[i] = tls.Client(raw, config)
			if err := tryRoundTrip(conns[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.Stats(); got.Open != n || got.Accepted != n {
		t.Errorf("stats %+v, want %d open and accepted", got, n)
	}
	eventually(t, "idle connections hold one goroutine each", func() bool { return goroutines() <= before+n+8 })
	each := (memory() - used) / n
	t.Logf("%d KiB of heap and stack for both ends of a connection", each>>10)
	if each > 128<<10 {
		t.Errorf("%d bytes for a connection", each)
	}
	for _, nc := range conns {
		if err := nc.SetDeadline(time.Now().Add(patience)); err != nil { // a thousand handshakes may have used up the first one
			t.Fatal(err)
		}
		if err := tryRoundTrip(nc); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	for _, nc := range conns {
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("a client's stream ends with %v, want close_notify", err)
		}
	}
}

func goroutines() int { return runtime.NumGoroutine() }
