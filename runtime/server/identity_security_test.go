package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/internal/testpki"
	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Identities under load: what is denied to one caller is never done in the name of another.

var (
	ownOnce   = &rpc.Method{Service: "Own", Name: "once", FullName: "Own.once", Retry: rpc.RetryAtMostOnce}
	ownStream = &rpc.Method{Service: "Own", Name: "stream", FullName: "Own.stream", Stream: rpc.StreamBoth}
)

// ownService returns who calls, and keeps count of whom it has served.
func ownService(served *sync.Map) *rpc.Service {
	who := func(ctx context.Context) string {
		name := rpc.CallFrom(ctx).Peer.Identity.String()
		n, _ := served.LoadOrStore(name, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		return name
	}
	return &rpc.Service{Name: "Own", Handlers: []rpc.Handler{{
		Method: ownOnce, NewArgs: func() codec.Decodable { return new(words) },
		Invoke: func(ctx context.Context, _ codec.Decodable) (codec.Encodable, error) { return &words{who(ctx)}, nil },
	}, {
		Method: ownStream, NewArgs: func() codec.Decodable { return new(words) },
		Open: func(ctx context.Context, _ codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			name := who(ctx)
			for {
				b, err := s.RecvBytes(ctx)
				if err == io.EOF {
					return &words{name}, nil
				}
				if err == nil {
					err = s.SendBytes(ctx, append(b, name...))
				}
				if err != nil {
					return nil, err
				}
			}
		},
	}}}
}

// startOwn runs a server of Own on every transport, with few workers and streams for all.
func startOwn(t *testing.T, served *sync.Map, opts ...server.Option) *host {
	t.Helper()
	noLeaks(t)
	h := &host{t: t, log: newLogbook(), served: make(chan error, 1)}
	h.srv = server.New(append([]server.Option{server.WithLogger(slog.New(h.log)), server.WithWorkers(2), server.WithMaxStreams(64, 64)}, opts...)...)
	if err := h.srv.Register(ownService(served)); err != nil {
		t.Fatal(err)
	}
	h.tcp, h.tls, h.unix = h.listen("tcp://127.0.0.1:0"), h.listen("tls://127.0.0.1:0"), h.listen("unix://"+t.TempDir()+"/s")
	go func() { h.served <- h.srv.Serve() }()
	t.Cleanup(func() { h.srv.Close(); <-h.served })
	return h
}

// TestDeniedUnderLoad has callers of four kinds share two workers: two that may call, by certificate, and those who may
// not, by other certificates, by Unix sockets and without any proof. All send metadata and client ids that claim to be
// the first one's.
func TestDeniedUnderLoad(t *testing.T) {
	pki := testpki.New(t, "authority")
	policy, err := auth.ParsePolicy("allow tls:alice.example.com Own.*\nallow tls:carol.example.com Own.*")
	if err != nil {
		t.Fatal(err)
	}
	config := pki.Server()
	config.ClientAuth = tls.VerifyClientCertIfGiven
	var served sync.Map
	h := startOwn(t, &served, server.WithTLS(config), server.WithAuthorizer(policy.Authorize))
	certificate := func(name string) []client.Option {
		return []client.Option{static(pki.Client(&testpki.Subject{Names: []string{name}}))}
	}
	stolen := rpc.ClientID{1, 2, 3}
	var wg sync.WaitGroup
	var allowed, denied atomic.Int64
	for _, caller := range []struct {
		address, want string // "" for one who is denied
		opts          []client.Option
	}{
		{h.tls, "tls:alice.example.com", certificate("alice.example.com")},
		{h.tls, "tls:carol.example.com", certificate("carol.example.com")},
		{h.tls, "", certificate("mallory.example.com")},
		{h.tls, "", []client.Option{static(pki.Client(nil))}},
		{h.tcp, "", nil},
		{h.unix, "", nil},
	} {
		c := h.dial(caller.address, append(caller.opts, client.WithClientID(stolen))...)
		ctx := rpc.WithMetadata(t.Context(), "user", "tls:alice.example.com")
		judge := func(what, got string, err error) bool {
			switch {
			case caller.want != "" && err == nil && got == caller.want:
				allowed.Add(1)
			case caller.want == "" && err != nil && rpc.CodeOf(err) == rpc.PermissionDenied:
				denied.Add(1)
			default:
				t.Errorf("%s by %q at %s: %q, %v", what, caller.want, caller.address, got, err)
				return false
			}
			return true
		}
		for range 4 {
			wg.Go(func() {
				for range 50 {
					s, err := c.Open(ctx, ownStream, new(words))
					if err != nil {
						t.Error(err)
						return
					}
					echo := ""
					if s.SendBytes(ctx, []byte("I am ")) == nil {
						b, _ := s.RecvBytes(ctx)
						echo = string(b)
					}
					var result words
					err = s.Finish(ctx, &result)
					if err == nil && echo != "I am "+result.s {
						t.Errorf("a message says %q, the result %q", echo, result.s)
					}
					if !judge("a stream", result.s, err) {
						return
					}
				}
			})
			if caller.want != "tls:carol.example.com" { // one whose numbers would be alice's
				wg.Go(func() {
					for range 50 {
						var result words
						if err := c.Call(ctx, ownOnce, new(words), &result); !judge("a call", result.s, err) {
							return
						}
					}
				})
			}
		}
	}
	wg.Wait()
	if allowed.Load() != 600 || denied.Load() != 1600 {
		t.Errorf("%d were allowed and %d denied, want 600 and 1600", allowed.Load(), denied.Load())
	}
	var names []string
	served.Range(func(name, _ any) bool { names = append(names, name.(string)); return true })
	slices.Sort(names)
	if !slices.Equal(names, []string{"tls:alice.example.com", "tls:carol.example.com"}) {
		t.Errorf("handlers ran for %q", names)
	}
}

// TestOutcomesOfOthers: the outcome of an at-most-once call is not given to one who merely knows its client's id and number,
// whether that one may call or not.
func TestOutcomesOfOthers(t *testing.T) {
	pki := testpki.New(t, "authority")
	config := pki.Server()
	config.ClientAuth = tls.VerifyClientCertIfGiven
	var served sync.Map
	h := startOwn(t, &served, server.WithTLS(config))
	// Clients number their calls from where nobody can guess, so the attempts are made by hand.
	attempt := func(address, name string) (string, error) {
		network, target, _ := strings.Cut(address, "://")
		var nc net.Conn
		var err error
		switch {
		case network != "tls":
			nc, err = net.Dial(network, target)
		case name == "":
			nc, err = tls.Dial("tcp", target, pki.Client(nil))
		default:
			nc, err = tls.Dial("tcp", target, pki.Client(&testpki.Subject{Names: []string{name}}))
		}
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(soon))
		o := wire.CallOptions{ClientID: rpc.ClientID{9}, HasClientID: true, Number: 77, Retry: 1}
		in, err := new(wire.Dialect).AppendCall(preamble(), 1, ownOnce, new(words), &o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Write(in); err != nil {
			t.Fatal(err)
		}
		greeted(t, nc)
		f, err := nativeReply(t, nc, 1)
		if err != nil {
			return "", err
		}
		var result words
		err = new(wire.Dialect).DecodeReply(ownOnce, f.header, f.payload, &result)
		return result.s, err
	}
	const alice = "tls:alice.example.com"
	if got, err := attempt(h.tls, "alice.example.com"); got != alice || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	for _, other := range []struct{ address, name string }{{h.tls, "mallory.example.com"}, {h.tls, ""}, {h.tcp, ""}, {h.unix, ""}} {
		got, err := attempt(other.address, other.name)
		wantError(t, err, rpc.InvalidArgument, rpc.NotExecuted, "was used for another call")
		if got != "" || err != nil && strings.Contains(err.Error(), "alice") {
			t.Errorf("%q at %s is told %q, %v", other.name, other.address, got, err)
		}
	}
	if got, err := attempt(h.tls, "alice.example.com"); got != alice || err != nil { // she herself gets it again
		t.Errorf("again: %q, %v", got, err)
	}
	if n, _ := served.Load(alice); n.(*atomic.Int64).Load() != 1 {
		t.Errorf("executed %d times", n.(*atomic.Int64).Load())
	}
	served.Range(func(name, _ any) bool {
		if name != alice {
			t.Errorf("executed for %s", name)
		}
		return true
	})
}

// listening accepts connections until the test ends, and counts them and keeps what they send.
func listening(t *testing.T) (address string, conns *atomic.Int64, said func() string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = new(atomic.Int64)
	var mu sync.Mutex
	var b strings.Builder
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			wg.Go(func() {
				defer nc.Close()
				_ = nc.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
				buf := make([]byte, 64<<10)
				for {
					n, err := nc.Read(buf)
					mu.Lock()
					b.Write(buf[:n])
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
	})
	return ln.Addr().String(), conns, func() string { mu.Lock(); defer mu.Unlock(); return b.String() }
}

// TestCredentialsStayHome: a client takes its credentials to the addresses that it was given and nowhere else, whatever a
// server says; the secret itself it tells nobody; and where TLS is configured it does not fall back to plain text.
func TestCredentialsStayHome(t *testing.T) {
	const secret = "correct-horse-battery"
	elsewhere, conns, _ := listening(t)
	line, err := auth.HashSecret("alice", secret, 4096)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := auth.ParseSecrets([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	h := start(t, server.WithSecrets(secrets), server.WithInterceptors(func(next rpc.ServerHandler) rpc.ServerHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Decodable) (codec.Encodable, error) {
			if m.Service == "kuafu.Auth" {
				return next(ctx, m, args)
			}
			asked.Add(1)
			return nil, rpc.Standby("use tcp://" + elsewhere + " instead")
		}
	}))
	c := h.dial(h.tcp+","+h.unix, client.WithSecret("alice", secret), client.WithFailover(client.FailoverPolicy{Max: 3, Backoff: client.Backoff{Base: time.Millisecond, Factor: 1, Max: time.Millisecond}}))
	_, err = identify(c)
	if err == nil || rpc.CodeOf(err) != rpc.Unavailable || asked.Load() < 2 {
		t.Errorf("%v after %d attempts", err, asked.Load())
	}
	if n := conns.Load(); n != 0 {
		t.Errorf("the client has made %d connections to where a server has sent it", n)
	}

	// One that only listens.
	ear, _, said := listening(t)
	for begin := time.Now(); said() == "" && time.Since(begin) < soon; { // a busy machine may use the first second up
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if c, err := client.Dial(ctx, "tcp://"+ear, client.WithSecret("alice", secret)); err == nil {
			c.Close()
			t.Error("a login without a server succeeded")
		}
		cancel()
	}
	if s := said(); s == "" || strings.Contains(s, secret) {
		t.Errorf("the client said %q", s)
	}

	// One in a list of servers with TLS.
	plain, _, heard := listening(t)
	pki := testpki.New(t, "authority")
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c, err = client.Dial(ctx, "tls://"+gone.Addr().String()+",tcp://"+plain, static(pki.Client(nil)), client.WithSecret("alice", secret))
	if err == nil {
		_, err = identify(c)
		c.Close()
	}
	if err == nil || heard() != "" {
		t.Errorf("in plain text: %q, %v", heard(), err)
	}
}
