package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/internal/testpki"
	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

// mirror tells callers who they have proved to be.
type mirror struct{ echotest.Clock }

func (mirror) Whoami(ctx context.Context) (string, error) {
	return rpc.CallFrom(ctx).Peer.Identity.String(), nil
}

// fatal ends the example if a certificate cannot be made.
type fatal struct{ *log.Logger }

func (fatal) Helper() {}

// issue writes a certificate for this machine and the given URI, its key, and the authority's certificate.
func issue(authority *testpki.Authority, dir, uri string) auth.CertificateFiles {
	pair := authority.Issue(testpki.Subject{Names: []string{"127.0.0.1"}, URIs: []string{uri}})
	f := auth.CertificateFiles{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CA: filepath.Join(dir, "ca.crt")}
	for path, text := range map[string][]byte{f.Cert: pair.Cert, f.Key: pair.Key, f.CA: authority.PEM} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			log.Fatal(err)
		}
	}
	return f
}

// Both sides prove who they are by certificates, and follow the files: when these change, connections made after that have
// the new certificates, and the others go on. Here both sides have the same files.
func ExampleWithTLS() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	authority := testpki.New(fatal{log.Default()}, "example authority")
	files := issue(authority, dir, "spiffe://example/monday")

	told, logs := io.Pipe()
	certs, err := auth.OpenCertificates(files, auth.Options{Interval: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(logs, nil))})
	if err != nil {
		log.Fatal(err)
	}
	defer certs.Close()
	defer told.Close() // first, so that nothing waits to be told
	config, err := certs.ServerConfig(auth.RequireClientCert)
	if err != nil {
		log.Fatal(err)
	}
	address, end := launch(server.New(server.WithTLS(config)), "tls://127.0.0.1:0", echotest.NewClockService(mirror{}))
	defer end()

	ctx := context.Background()
	before, err := client.Dial(ctx, address, client.WithTLS(certs.ClientConfig))
	if err != nil {
		log.Fatal(err)
	}
	defer before.Close()
	fmt.Println(echotest.NewClockClient(before).Whoami(ctx))

	issue(authority, dir, "spiffe://example/tuesday")
	for lines := bufio.NewScanner(told); lines.Scan() && !strings.Contains(lines.Text(), "were read again"); {
	}
	after, err := client.Dial(ctx, address, client.WithTLS(certs.ClientConfig))
	if err != nil {
		log.Fatal(err)
	}
	defer after.Close()
	fmt.Println(echotest.NewClockClient(after).Whoami(ctx))
	fmt.Println(echotest.NewClockClient(before).Whoami(ctx))
	// Output:
	// tls:spiffe://example/monday <nil>
	// tls:spiffe://example/tuesday <nil>
	// tls:spiffe://example/monday <nil>
}
