package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
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
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// words is the struct {n: string}: no arguments, and a result in field 0.
type words struct{ s string }

func (m *words) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(0, m.s)
	e.EndStruct(outer)
}

func (m *words) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.ID == 0 && f.Type == codec.String {
			m.s = d.String()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

var identifyMethod = rpc.Method{Service: "Who", Name: "am", FullName: "Who.am"}

// identityService has one method, which returns the caller's identity.
func identityService() *rpc.Service {
	return &rpc.Service{Name: "Who", Handlers: []rpc.Handler{{
		Method:  &identifyMethod,
		NewArgs: func() codec.Decodable { return new(words) },
		Invoke: func(ctx context.Context, _ codec.Decodable) (codec.Encodable, error) {
			return &words{rpc.CallFrom(ctx).Peer.Identity.String()}, nil
		},
	}}}
}

// identify returns who the server takes the caller for.
func identify(c rpc.Caller) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	var result words
	err := c.Call(ctx, &identifyMethod, new(words), &result)
	return result.s, err
}

func wantIdentity(t *testing.T, c rpc.Caller, want string) {
	t.Helper()
	if got, err := identify(c); got != want || err != nil {
		t.Errorf("the server takes us for %q, %v; want %q", got, err, want)
	}
}

func static(config *tls.Config) client.Option {
	return client.WithTLS(func() *tls.Config { return config })
}

// wonder are secrets of alice and bob.
func wonder(t testing.TB) *auth.Secrets {
	t.Helper()
	var lines []string
	for _, user := range []string{"alice", "bob"} {
		line, err := auth.HashSecret(user, "secret of "+user, 4096)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	s, err := auth.ParseSecrets([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestIdentities(t *testing.T) {
	pki := testpki.New(t, "authority")
	config := pki.Server()
	config.ClientAuth = tls.VerifyClientCertIfGiven
	h := startTLS(t, server.WithTLS(config))
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	wantIdentity(t, h.dial(h.tcp), "anonymous")
	wantIdentity(t, h.dial(h.unix), "unix:"+me.Username)
	wantIdentity(t, h.dial(h.tls, static(pki.Client(nil))), "anonymous")
	wantIdentity(t, h.dial(h.tls, static(pki.Client(&testpki.Subject{URIs: []string{"spiffe://prod/web"}}))), "tls:spiffe://prod/web")
	wantIdentity(t, h.dial(h.tls, static(pki.Client(&testpki.Subject{Names: []string{"web.example.com"}}))), "tls:web.example.com")
	wantIdentity(t, h.dial(h.tls, static(pki.Client(&testpki.Subject{CommonName: "web"}))), "tls:CN=web")
	c := h.dial(h.tls, static(pki.Client(nil)), client.WithThrift(client.Thrift{Service: "Echo"}))
	check(t, echotest.NewEchoClient(c), 1)
}

// TestTLSRefusals has either side meet a certificate that it must not accept.
func TestTLSRefusals(t *testing.T) {
	pki, other := testpki.New(t, "authority"), testpki.New(t, "another authority")
	with := func(s testpki.Subject) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{pki.Issue(s).TLS}}
	}
	mutual := pki.Server()
	mutual.ClientAuth = tls.RequireAndVerifyClientCert
	expired := pki.Client(nil)
	expired.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair := pki.Issue(testpki.Subject{CommonName: "x", Expired: true})
		return &pair.TLS, nil
	}
	careless := pki.Client(nil)
	careless.InsecureSkipVerify = true
	for _, tt := range []struct {
		name           string
		server, client *tls.Config
		want           string
	}{
		{"wrong name", with(testpki.Subject{Names: []string{"example.com"}}), pki.Client(nil), "127.0.0.1"},
		{"only a common name", with(testpki.Subject{CommonName: "127.0.0.1"}), pki.Client(nil), "127.0.0.1"},
		{"expired server", with(testpki.Subject{Names: []string{"127.0.0.1"}, Expired: true}), pki.Client(nil), "expired"},
		{"self-signed server", with(testpki.Subject{Names: []string{"127.0.0.1"}, SelfSigned: true}), pki.Client(nil), "unknown authority"},
		{"another authority's server", pki.Server(), other.Client(nil), "unknown authority"},
		{"no client certificate", mutual, pki.Client(nil), "certificate required"},
		{"expired client", mutual, expired, "expired certificate"},
		{"a client that does not look", pki.Server(), careless, "would trust anybody"},
		{"a client without the authority", pki.Server(), &tls.Config{}, "unknown authority"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := startTLS(t, server.WithTLS(tt.server))
			begin := time.Now()
			c, err := client.Dial(t.Context(), h.tls, static(tt.client))
			if err == nil { // in TLS 1.3 a client learns of the server's verdict after it has begun
				t.Cleanup(func() { c.Close() })
				_, err = identify(c)
			}
			if err == nil || rpc.CodeOf(err) != rpc.Unavailable || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if d := time.Since(begin); d > 4*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// TestTLSMixUps connects the wrong way round.
func TestTLSMixUps(t *testing.T) {
	pki := testpki.New(t, "authority")
	h := startTLS(t, server.WithTLS(pki.Server()))
	h.watch()
	dial := func(address string, opts ...client.Option) error {
		c, err := client.Dial(t.Context(), address, opts...)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = identify(c)
		return err
	}
	plain, secure := strings.Replace(h.tls, "tls:", "tcp:", 1), strings.Replace(h.tcp, "tcp:", "tls:", 1)
	for _, tt := range []struct {
		name string
		err  func() error
		want string
	}{
		{"plain client, TLS port", func() error { return dial(plain) }, "this port speaks TLS only"},
		{"TLS client, plain port", func() error { return dial(secure, static(pki.Client(nil))) }, "perhaps the port does not speak TLS"},
		{"TLS configured, plain address", func() error { return dial(h.tcp, static(pki.Client(nil))) }, "use tls://"},
		{"stock Thrift client, TLS port", func() error { return dial(plain, client.WithThrift(client.Thrift{})) }, "closed by the server"},
		{"TLS client, a server that talks first", func() error { return dial(chatter(t), static(pki.Client(nil))) }, "does not speak TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			if err := tt.err(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if d := time.Since(begin); d > 4*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
	nc, err := net.Dial("tcp", strings.TrimPrefix(h.tls, "tls://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(soon))
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := drained(t, nc); !bytes.HasPrefix(got, []byte("HTTP/1.1 400 ")) || !bytes.Contains(got, []byte("speaks TLS only")) {
		t.Errorf("an HTTP client is told %q", got)
	}
}

// chatter returns the address of a server that sends a greeting in clear.
func chatter(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(nc, "220 mail.example.com ESMTP\r\n")
			go func() { defer nc.Close(); _, _ = io.Copy(io.Discard, nc) }()
		}
	}()
	return "tls://" + ln.Addr().String()
}

// TestCertificatesChangeUnderLoad replaces certificates and keys on both sides every 200 ms, while clients call, and dial
// anew. No call may fail.
func TestCertificatesChangeUnderLoad(t *testing.T) {
	pki := testpki.New(t, "authority")
	dir := t.TempDir()
	open := func(name string) (*auth.Certificates, func()) {
		files := auth.CertificateFiles{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), CA: filepath.Join(dir, "ca.crt")}
		replace := func() {
			pair := pki.Issue(testpki.Subject{CommonName: name, Names: []string{"127.0.0.1"}})
			for path, b := range map[string][]byte{files.Cert: pair.Cert, files.Key: pair.Key, files.CA: pki.PEM} {
				if err := os.WriteFile(path, b, 0o600); err != nil { // in place: readers may see halves
					t.Error(err)
				}
			}
		}
		replace()
		certs, err := auth.OpenCertificates(files, auth.Options{Interval: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return certs, replace
	}
	servers, replaceServer := open("server")
	clients, replaceClient := open("client")
	config, err := servers.ServerConfig(auth.RequireClientCert)
	if err != nil {
		t.Fatal(err)
	}
	h := startTLS(t, server.WithTLS(config))
	t.Cleanup(servers.Close)
	t.Cleanup(clients.Close)
	var serials sync.Map
	option := client.WithTLS(func() *tls.Config {
		c := clients.ClientConfig()
		c.VerifyConnection = func(s tls.ConnectionState) error {
			serials.Store(s.PeerCertificates[0].SerialNumber.String(), true)
			return nil
		}
		return c
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls atomic.Int64
	var wg sync.WaitGroup
	call := func(c rpc.Caller) bool {
		got, err := identify(c)
		if err != nil || got != "tls:127.0.0.1" && got != "tls:CN=client" {
			t.Errorf("call %d: %q, %v", calls.Load(), got, err)
			return false
		}
		calls.Add(1)
		return true
	}
	for range 2 {
		steady := h.dial(h.tls, option)
		wg.Go(func() {
			for ctx.Err() == nil && call(steady) {
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				c, err := client.Dial(context.Background(), h.tls, option)
				if err != nil {
					t.Errorf("after %d calls: %v", calls.Load(), err)
					return
				}
				ok := call(c)
				c.Close()
				if !ok {
					return
				}
			}
		})
	}
	swap := time.NewTicker(200 * time.Millisecond)
	defer swap.Stop()
	seen := 0
	for begin := time.Now(); seen < 10 || calls.Load() < 100; {
		<-swap.C
		replaceServer()
		replaceClient()
		seen = 0
		serials.Range(func(any, any) bool { seen++; return true })
		if t.Failed() || time.Since(begin) > soon {
			break
		}
	}
	cancel()
	wg.Wait()
	t.Logf("%d calls, %d server certificates", calls.Load(), seen)
	if seen < 10 || calls.Load() < 100 {
		t.Errorf("%d calls saw %d server certificates: the test shows nothing", calls.Load(), seen)
	}
}

func TestLogin(t *testing.T) {
	pki := testpki.New(t, "authority")
	h := startTLS(t, server.WithSecrets(wonder(t)), server.WithTLS(pki.Server()))
	for _, address := range []string{h.tcp, h.unix, h.tls} {
		var opts []client.Option
		if address == h.tls {
			opts = append(opts, static(pki.Client(nil)))
		}
		with := func(user, secret string) []client.Option {
			return append([]client.Option{client.WithSecret(user, secret), client.WithConnections(3)}, opts...)
		}
		c := h.dial(address, with("alice", "secret of alice")...)
		for range 10 {
			wantIdentity(t, c, "scram:alice")
		}
		for user, secret := range map[string]string{"alice": "secret of bob", "eve": "secret of eve"} {
			_, err := client.Dial(t.Context(), address, with(user, secret)...)
			wantError(t, err, rpc.Unauthenticated, rpc.NotExecuted, "login failed")
		}
		_, err := identify(h.dial(address, opts...)) // a Unix socket's peer too
		wantError(t, err, rpc.Unauthenticated, rpc.NotExecuted, "log in first")
		_, err = identify(h.dial(address, append(opts, client.WithThrift(client.Thrift{}))...))
		if err == nil || !strings.Contains(err.Error(), "log in first") {
			t.Errorf("a stock Thrift client: %v", err)
		}
	}
	h.log.wants(t, slog.LevelWarn, "auth: a login failed", "user=alice")
	h.log.wants(t, slog.LevelWarn, "server: a call was denied", "identity=anonymous", "method=Who.am")
	for _, bad := range []client.Option{client.WithSecret("", "x"), client.WithSecret("a", ""), client.WithSecret("a:b", "x")} {
		if _, err := client.Dial(t.Context(), h.tcp, bad); err == nil {
			t.Error("bad credentials are accepted")
		}
	}
}

func TestLoginWithoutNeed(t *testing.T) {
	h := start(t)
	_, err := client.Dial(t.Context(), h.tcp, client.WithSecret("alice", "secret of alice"))
	wantError(t, err, rpc.Unimplemented, rpc.NotExecuted, "kuafu.Auth")
}

// TestCallsBeforeLogin sends calls together with the login's first step, in the order of a client that does not wait.
func TestCallsBeforeLogin(t *testing.T) {
	h := start(t, server.WithSecrets(wonder(t)))
	c := h.dial(h.tcp)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := identify(c)
			wantError(t, err, rpc.Unauthenticated, rpc.NotExecuted, "log in first")
		})
		wg.Go(func() {
			var result words
			m := rpc.Method{Service: "kuafu.Auth", Name: "finish", FullName: "kuafu.Auth.finish"}
			err := c.Call(t.Context(), &m, new(words), &result)
			if code := rpc.CodeOf(err); code != rpc.FailedPrecondition {
				t.Errorf("finish without start: %v", err)
			}
		})
	}
	wg.Wait()
}

// TestOtherSpellings calls a denied method, and the system's, by every name that might lead there.
func TestOtherSpellings(t *testing.T) {
	policy, err := auth.ParsePolicy("default allow\ndeny * Who.am\ndeny * Echo.whoami")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, server.WithAuthorizer(policy.Authorize), server.WithSecrets(wonder(t)))
	native := h.dial(h.tcp, client.WithSecret("alice", "secret of alice"))
	check(t, echotest.NewEchoClient(native), 1)
	for _, tt := range []struct {
		name string
		code rpc.Code
	}{
		{"Who.am", rpc.PermissionDenied},
		{"Echo.whoami", rpc.PermissionDenied},
		{"Base.whoami", rpc.PermissionDenied}, // an ancestor's name for the same method
		{"Clock.whoami", 0},
		{"Who:am", rpc.Unimplemented},
		{"Who/am", rpc.Unimplemented},
		{"/Who/am", rpc.Unimplemented},
		{"/Who.am", rpc.Unimplemented},
		{"who.am", rpc.Unimplemented},
		{"WHO.AM", rpc.Unimplemented},
		{"Who.AM", rpc.Unimplemented},
		{"Who..am", rpc.Unimplemented},
		{".Who.am", rpc.Unimplemented},
		{"Who.am.", rpc.Unimplemented},
		{"Who.am ", rpc.Unimplemented},
		{" Who.am", rpc.Unimplemented},
		{"Who.am\x00", rpc.Unimplemented},
		{"Who%2eam", rpc.Unimplemented},
		{"Wh\u043e.am", rpc.Unimplemented}, // a Cyrillic letter
		{"am", rpc.Unimplemented},
		{"kuafu.Auth.start", rpc.FailedPrecondition}, // has logged in already
		{"kuafu:Auth.start", rpc.Unimplemented},
	} {
		m := rpc.Method{Service: "x", Name: "x", FullName: tt.name}
		err := native.Call(t.Context(), &m, new(words), new(words))
		if tt.code == 0 && err != nil || tt.code != 0 && (err == nil || rpc.CodeOf(err) != tt.code) {
			t.Errorf("%q: %v, want %v", tt.name, err, tt.code)
		}
	}
}

// TestThriftSpellings is TestOtherSpellings for names in Thrift envelopes, which are multiplexed.
func TestThriftSpellings(t *testing.T) {
	policy, err := auth.ParsePolicy("default allow\ndeny * Who.am\ndeny * Echo.whoami")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, server.WithAuthorizer(policy.Authorize))
	for _, transport := range []client.Transport{client.Framed, client.Unframed, client.Header} {
		c := h.dial(h.tcp, client.WithThrift(client.Thrift{Transport: transport}))
		for _, tt := range []struct{ name, want string }{
			{"am", "may not call Who.am"},
			{"Who:am", "may not call Who.am"},
			{"Echo:whoami", "may not call Echo.whoami"},
			{"Base:whoami", "may not call Echo.whoami"},
			{"Clock:whoami", ""},
			{"Who.am", "no method"},
			{"Who::am", "no method"},
			{":am", "no method"},
			{"Who:am:", "no method"},
			{"who:am", "no method"},
			{"Who/am", "no method"},
			{"x:Who:am", "no method"},
			{"AM", "no method"},
			{"", "no method"},
		} {
			m := rpc.Method{Service: "x", Name: tt.name, FullName: "x." + tt.name}
			err := c.Call(t.Context(), &m, new(words), new(words))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, %q: %v, want %q", transport, tt.name, err, tt.want)
			}
		}
	}
}

// TestIdentityStaysWithItsConnection has one user that may call and one that may not share few workers.
func TestIdentityStaysWithItsConnection(t *testing.T) {
	policy, err := auth.ParsePolicy("allow scram:alice Who.*")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, server.WithWorkers(2), server.WithSecrets(wonder(t)), server.WithAuthorizer(policy.Authorize))
	var wg sync.WaitGroup
	var allowed, denied atomic.Int64
	for _, user := range []string{"alice", "bob", ""} {
		var opts []client.Option
		if user != "" {
			opts = append(opts, client.WithSecret(user, "secret of "+user))
		}
		for range 3 {
			c := h.dial(h.tcp, opts...)
			for range 4 {
				wg.Go(func() {
					for range 100 {
						got, err := identify(c)
						switch {
						case user == "alice" && err == nil && got == "scram:alice":
							allowed.Add(1)
						case user == "bob" && err != nil && rpc.CodeOf(err) == rpc.PermissionDenied,
							user == "" && err != nil && rpc.CodeOf(err) == rpc.Unauthenticated:
							denied.Add(1)
						default:
							t.Errorf("%q is taken for %q, %v", user, got, err)
							return
						}
					}
				})
			}
		}
	}
	wg.Wait()
	if allowed.Load() != 1200 || denied.Load() != 2400 {
		t.Errorf("%d calls were allowed and %d denied, want 1200 and 2400", allowed.Load(), denied.Load())
	}
}

// TestDeniedBeforeDecoding sends arguments that cannot be decoded, and are not looked at.
func TestDeniedBeforeDecoding(t *testing.T) {
	h := start(t, server.WithAuthorizer(func(_ context.Context, _ rpc.Identity, m *rpc.Method) error {
		if m.Service == "Clock" {
			return fmt.Errorf("an internal reason")
		}
		return nil
	}))
	c := h.dial(h.tcp)
	for service, code := range map[string]rpc.Code{"Clock.ticks": rpc.PermissionDenied, "Echo.depth": rpc.InvalidArgument} {
		m := rpc.Method{FullName: service}
		err := c.Call(t.Context(), &m, garbage{}, new(words))
		wantError(t, err, code, rpc.NotExecuted, "")
		if strings.Contains(err.Error(), "internal reason") {
			t.Errorf("the caller learns why: %v", err)
		}
	}
	h.log.wants(t, slog.LevelWarn, "server: a call was denied", "an internal reason")
}

// garbage encodes as a list that claims more than there is.
type garbage struct{}

func (garbage) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.Field(1, codec.Struct)
	e.EndStruct(outer)
}

func TestPanickingAuthorizer(t *testing.T) {
	h := start(t, server.WithAuthorizer(func(context.Context, rpc.Identity, *rpc.Method) error { panic("oops") }))
	_, err := identify(h.dial(h.tcp))
	wantError(t, err, rpc.Internal, rpc.NotExecuted, "authorizer panicked")
}

// TestNoSecretsInLogs goes through good and bad logins, and looks for the secrets in all that was logged and returned.
func TestNoSecretsInLogs(t *testing.T) {
	const secret = "correct-horse-battery"
	line, err := auth.HashSecret("alice", secret, 4096)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets, err := auth.OpenSecrets(path, auth.Options{Interval: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer secrets.Close()
	h := start(t, server.WithSecrets(secrets))
	var said strings.Builder
	note := func(err error) { fmt.Fprintf(&said, "%+v\n", err) }
	wantIdentity(t, h.dial(h.tcp, client.WithSecret("alice", secret)), "scram:alice")
	_, err = client.Dial(t.Context(), h.tcp, client.WithSecret("alice", secret+"!"))
	note(err)
	_, err = client.Dial(t.Context(), h.tcp, client.WithSecret(secret, "alice")) // the wrong way round
	note(err)
	_, err = identify(h.dial(h.tcp))
	note(err)
	h.log.mu.Lock()
	fmt.Fprintln(&said, h.log.entries)
	h.log.mu.Unlock()
	fields := strings.Split(line, ":")
	if n := strings.Count(said.String(), secret); n != 1 { // what the user has typed as a name is in the client's own error
		t.Errorf("the secret is there %d times:\n%s", n, said.String())
	}
	for _, part := range fields[3:] {
		if strings.Contains(said.String(), part) {
			t.Errorf("a stored key is in:\n%s", said.String())
		}
	}
	if !strings.Contains(said.String(), "login failed") {
		t.Error("nothing was looked at")
	}
}

// TestLoginIsCutOffAfterThreeFailures guesses on one connection.
func TestLoginIsCutOffAfterThreeFailures(t *testing.T) {
	h := start(t, server.WithSecrets(wonder(t)))
	nc := h.raw()
	_, _ = nc.Write(wire.AppendPreamble(nil, wire.Preamble{MaxFrame: wire.DefaultMaxFrame}))
	d := &wire.Dialect{}
	for id := range uint64(3) {
		m := rpc.Method{FullName: "kuafu.Auth.start"}
		frame, err := d.AppendCall(nil, id+1, &m, new(words), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	if got := drained(t, nc); bytes.Count(got, []byte("malformed login")) != 3 {
		t.Errorf("the client was told %q", got)
	}
	h.log.wants(t, slog.LevelWarn, "connection ended", "too many failed logins")
}

// TestSecurityPage looks for the tests that docs/security.md names.
func TestSecurityPage(t *testing.T) {
	root := filepath.Join("..", "..")
	page := sources(t, filepath.Join(root, "docs", "security.md"))
	named := regexp.MustCompile("`([a-z/]+)\\.(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(page, -1)
	for _, m := range named {
		if !strings.Contains(sources(t, filepath.Join(root, filepath.FromSlash(m[1]), "*_test.go")), "\nfunc "+m[2]+"(") {
			t.Errorf("%s has no %s", m[1], m[2])
		}
	}
	if len(named) < 20 {
		t.Errorf("only %d tests are named", len(named))
	}
}
