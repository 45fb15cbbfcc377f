package auth

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/internal/testpki"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const patience = time.Minute

// logbook keeps what is logged.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logbook) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), part)
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("does not happen: %s", what)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReload changes a policy in the ways in which files change.
func TestReload(t *testing.T) {
	log := &logbook{}
	path := filepath.Join(t.TempDir(), "policy")
	opts := Options{Interval: time.Millisecond, Logger: log.logger()}
	if _, err := OpenPolicy(path, opts); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a missing file: %v", err)
	}
	write(t, path, "allow * A.b")
	p, err := OpenPolicy(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	allowed := func() bool {
		return p.Authorize(t.Context(), rpc.Identity{}, &rpc.Method{FullName: "A.b"}) == nil
	}
	if !allowed() {
		t.Fatal("the first content is not in force")
	}
	write(t, path, "deny * A.b ") // of the same length, perhaps within the clock's grain
	eventually(t, "a new content is in force", func() bool { return !allowed() })
	write(t, path, "allow A.b")
	eventually(t, "a broken content is reported", func() bool { return log.count("line 1: want a verdict") == 1 })
	if allowed() {
		t.Error("a broken content changes something")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a missing file is reported", func() bool { return log.count("no such file") == 1 })
	if allowed() {
		t.Error("a missing file changes something")
	}
	write(t, path+".new", "allow * A.*")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a renamed file is in force", allowed)
	p.Close()
	p.Close()
	write(t, path, "deny * *")
	if n := log.count("want a verdict"); n != 1 {
		t.Errorf("the broken file was reported %d times, want once", n)
	}
	if _, err := OpenPolicy(path, Options{Interval: -1}); err == nil {
		t.Error("a negative interval is accepted")
	}
	if err := os.Truncate(path, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPolicy(path, opts); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a huge file: %v", err)
	}
}

// paths are certificate files in a directory of their own.
type paths struct {
	t testing.TB
	CertificateFiles
}

func newPaths(t testing.TB) paths {
	dir := t.TempDir()
	return paths{t, CertificateFiles{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}}
}

func (p paths) put(pair testpki.Pair, ca []byte) {
	p.t.Helper()
	write(p.t, p.Cert, string(pair.Cert))
	write(p.t, p.Key, string(pair.Key))
	write(p.t, p.CA, string(ca))
}

var localhost = testpki.Subject{CommonName: "server", Names: []string{"localhost", "127.0.0.1"}}

// shake makes a handshake over a pipe and returns the server's certificate.
func shake(server, client *tls.Config) (*x509.Certificate, error) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	go func() {
		nc := tls.Server(there, server)
		_, _ = nc.Write([]byte("x"))
		_, _ = io.Copy(io.Discard, nc)
	}()
	client.ServerName = "localhost"
	nc := tls.Client(here, client)
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := nc.Read(make([]byte, 1)); err != nil {
		return nil, err
	}
	return nc.ConnectionState().PeerCertificates[0], nil
}

func TestCertificatesFollowFiles(t *testing.T) {
	log := &logbook{}
	pki := testpki.New(t, "authority")
	files := newPaths(t)
	first, second := pki.Issue(localhost), pki.Issue(localhost)
	files.put(first, pki.PEM)
	certs, err := OpenCertificates(files.CertificateFiles, Options{Interval: time.Millisecond, Logger: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer certs.Close()
	server, err := certs.ServerConfig(RequireClientCert)
	if err != nil {
		t.Fatal(err)
	}
	serves := func(p testpki.Pair) bool {
		got, err := shake(server, certs.ClientConfig())
		if err != nil {
			t.Fatalf("a handshake fails: %v", err)
		}
		return got.Equal(p.TLS.Leaf)
	}
	if !serves(first) {
		t.Error("another certificate than the one in the file")
	}
	write(t, files.Cert, string(second.Cert)) // the key does not fit yet
	eventually(t, "the mismatch is reported", func() bool { return log.count("private key does not match") > 0 })
	if !serves(first) {
		t.Error("half of a pair is in force")
	}
	write(t, files.Key, string(second.Key))
	eventually(t, "the new pair is in force", func() bool { return serves(second) })
	for what, broken := range map[string]func(){
		"expired": func() { files.put(pki.Issue(testpki.Subject{Names: localhost.Names, Expired: true}), pki.PEM) },
		"PEM":     func() { write(t, files.Cert, "not a certificate") },
		"holds no": func() { // the authorities go first: with them, the first pair would be as good as the second
			write(t, files.CA, "")
			files.put(first, nil)
		},
		"no such file": func() { _ = os.Remove(files.Key) },
	} {
		broken()
		eventually(t, what+" is reported", func() bool { return log.count(what) > 0 })
		if !serves(second) {
			t.Errorf("%s: the old pair is not in force any more", what)
		}
		files.put(second, pki.PEM)
	}
	other := testpki.New(t, "another authority")
	files.put(second, other.PEM) // now nobody's certificate is trusted, the own one neither
	eventually(t, "the new authority counts", func() bool {
		_, err := shake(server, pki.Client(&testpki.Subject{CommonName: "x"}))
		return err != nil
	})
}

func TestCertificatesErrors(t *testing.T) {
	pki := testpki.New(t, "authority")
	files := newPaths(t)
	files.put(pki.Issue(localhost), pki.PEM)
	for want, f := range map[string]CertificateFiles{
		"need each other": {Cert: files.Cert},
		"not safe":        {Cert: files.Cert, Key: files.Key, MinVersion: tls.VersionTLS11},
		"no such file":    {Cert: files.Cert + "x", Key: files.Key},
	} {
		if _, err := OpenCertificates(f, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", f, err, want)
		}
	}
	noCA, err := OpenCertificates(CertificateFiles{Cert: files.Cert, Key: files.Key, MinVersion: tls.VersionTLS12}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer noCA.Close()
	if _, err := noCA.ServerConfig(RequestClientCert); err == nil {
		t.Error("clients' certificates are asked for that nobody can verify")
	}
	if config, err := noCA.ServerConfig(NoClientCert); err != nil || config.MinVersion != tls.VersionTLS12 {
		t.Errorf("a server without client certificates: %v", err)
	}
	if _, err := noCA.ServerConfig(99); err == nil {
		t.Error("an unknown ClientCert is accepted")
	}
	noCert, err := OpenCertificates(CertificateFiles{CA: files.CA}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer noCert.Close()
	if _, err := noCert.ServerConfig(NoClientCert); err == nil {
		t.Error("a server without a certificate")
	}
	if config := noCert.ClientConfig(); config.RootCAs == nil || config.InsecureSkipVerify {
		t.Error("a client configuration that does not verify")
	}
}

func TestCredentialsDoNotPrint(t *testing.T) {
	const secret = "hunter2-hunter2"
	c, err := NewCredentials("alice", secret)
	if err != nil {
		t.Fatal(err)
	}
	log := &logbook{}
	log.logger().Info("x", "c", c, "s", []*Credentials{c}, "w", struct{ C *Credentials }{c})
	text := fmt.Sprintf("%v %+v %#v %s %q %x %d", c, c, c, c, c, c, c) + log.b.String()
	if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) || !strings.Contains(text, "alice") {
		t.Errorf("printed: %s", text)
	}
	for _, bad := range [][2]string{{"", "x"}, {"a", ""}, {"a:b", "x"}} {
		if _, err := NewCredentials(bad[0], bad[1]); err == nil || strings.Contains(err.Error(), "x\"") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
