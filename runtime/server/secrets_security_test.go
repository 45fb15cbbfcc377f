package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/internal/testpki"
	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

// chronicle is all that anybody said: logs at every level, errors, dumps.
type chronicle struct {
	mu sync.Mutex
	b  strings.Builder
}

func (c *chronicle) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(b)
}

func (c *chronicle) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

func (c *chronicle) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
}

// note writes an error in every form in which one is printed, with its causes.
func (c *chronicle) note(err error) {
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(c, "%v | %+v | %#v | %q\n", err, err, err, err)
	}
}

// halfArguments is a text that decodes, and then something that does not.
type halfArguments string

func (s halfArguments) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(50, string(s))
	e.Field(1, codec.Struct)
	e.EndStruct(outer)
}

// TestSecretsAreNeverSaid puts a secret into everything that may hold one (logins, keys, metadata, arguments, results, the
// texts of panics), goes through what succeeds and what fails, with every log there is turned on, and looks for it.
func TestSecretsAreNeverSaid(t *testing.T) {
	const mark = "Correct-Horse" // in every secret
	var said chronicle
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pki := testpki.New(t, "authority")
	pair := pki.Issue(testpki.Subject{CommonName: "server", Names: []string{"127.0.0.1"}})
	key := string(pair.Key)
	files := auth.CertificateFiles{Cert: write("crt", pair.Cert), Key: write("key", pair.Key), CA: write("ca", pki.PEM)}
	options := auth.Options{Interval: time.Millisecond, Logger: said.logger()}
	certs, err := auth.OpenCertificates(files, options)
	if err != nil {
		t.Fatal(err)
	}
	defer certs.Close()
	config, err := certs.ServerConfig(auth.RequestClientCert)
	if err != nil {
		t.Fatal(err)
	}
	line, err := auth.HashSecret("alice", mark+"-battery", 4096)
	if err != nil {
		t.Fatal(err)
	}
	secretsPath := write("secrets", []byte(line))
	secrets, err := auth.OpenSecrets(secretsPath, options)
	if err != nil {
		t.Fatal(err)
	}
	defer secrets.Close()
	stored := strings.Split(line, ":")[2:] // salt excepted: iterations, keys
	stored = stored[1:]

	events := observe.WatchSlow(observe.Tee(observe.Log(said.logger()), observe.AccessLog(said.logger())), observe.SlowOptions{Samples: 1, Min: 1, Deviations: 1e-9}) // above the mean is slow
	h := startTLS(t, server.WithTLS(config), server.WithSecrets(secrets), server.WithEvents(events), server.WithLogger(said.logger()))
	dial := func(user, secret string, opts ...client.Option) *client.Client {
		opts = append(opts, static(pki.Client(nil)), client.WithSecret(user, secret), client.WithEvents(observe.AccessLog(said.logger())))
		c, err := client.Dial(t.Context(), h.tls, opts...)
		said.note(err)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return c
	}
	dial("alice", mark+"-wrong")
	dial("nobody", mark+"-battery")
	dial("alice", mark+"\x00-battery")
	good := dial("alice", mark+"-battery")
	if good == nil {
		t.Fatalf("no login: %v", &said)
	}
	e := echotest.NewEchoClient(good)

	// Calls that carry it, good and bad.
	ctx := rpc.WithMetadata(t.Context(), "authorization", "Bearer "+mark)
	call := func(ctx context.Context, text string) {
		_, err := e.Echo(ctx, &echotest.Msg{ID: 1, Text: text})
		said.note(err)
	}
	for range 20 {
		call(ctx, "argument "+mark)
	}
	call(rpc.WithMetadata(ctx, "authorization", "Bearer "+mark+"\r\n"), "")      // a bad value
	call(rpc.WithMetadata(ctx, "authorization", strings.Repeat(mark, 1000)), "") // too much
	call(ctx, strings.Repeat(mark, 2_000_000))                                   // over the limit of a frame
	expired, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	call(expired, "argument "+mark)
	cancel()
	_, err = e.Explode(ctx, "argument "+"of a panic") // what a panic says goes to the log, so it says no secret here
	said.note(err)
	_, err = e.Packed(ctx, strings.Repeat(mark, 1000)) // compressed
	said.note(err)
	said.note(good.Call(ctx, &rpc.Method{FullName: "Echo.echo"}, halfArguments(mark), new(words)))
	nc := h.raw() // a stranger who speaks nothing known, and has it in what it says
	_, _ = nc.Write([]byte("AUTH alice " + mark + "\r\n"))
	said.Write(drained(t, nc))

	// Files that are damaged while they are in use.
	logged := func(part string) {
		t.Helper()
		for late := time.Now().Add(soon); !strings.Contains(said.String(), part); time.Sleep(time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("nobody says %q", part)
			}
		}
	}
	write("key", pair.Key[:len(pair.Key)/2])
	logged(files.Key)
	write("secrets", []byte(line+":"+mark+"\n"+mark+" is no line"))
	logged(secretsPath)
	for _, broken := range []string{line + ":" + mark, mark, "alice:" + mark + ":1:x:y", strings.Replace(line, "4096", "1", 1)} {
		_, err := auth.ParseSecrets([]byte(broken))
		said.note(err)
		if err == nil {
			t.Errorf("a broken file is taken: %q", broken)
		}
	}
	fmt.Fprintf(&said, "%v %+v %#v %v %+v %#v\n", secrets, secrets, secrets, certs, certs, certs)

	// What operators look at.
	snapshot, err := json.Marshal(h.srv.Snapshot(100))
	if err != nil {
		t.Fatal(err)
	}
	said.Write(snapshot)

	for _, sign := range []string{"Echo.echo", "rpc: call", "rpc: slow call", "a login failed", "the handler panicked", "metadata:", "arguments:", "connection ended"} {
		logged(sign) // or the test shows little
	}
	all := said.String()
	secret := append(stored, mark)
	for line := range strings.Lines(key) {
		if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-----") {
			secret = append(secret, line)
		}
	}
	if len(secret) < 5 {
		t.Fatalf("only %d secrets to look for", len(secret))
	}
	for _, s := range secret {
		if at := strings.Index(all, s); at >= 0 {
			t.Errorf("a secret was said: ...%s...", all[max(0, at-200):min(len(all), at+100)])
		}
	}
}
