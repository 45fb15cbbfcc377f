package server_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// Peers that speak something else are told so, in their own protocol where there is one, and at once.
func TestForeignProtocols(t *testing.T) {
	for _, tc := range []struct{ name, in, answer, reason string }{
		{"HTTP", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ", "speaks HTTP"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x04", "speaks HTTP/2"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x15\x03\x03\x00\x02\x02\x28", "speaks TLS"},
		{"TLS alert", "\x15\x03\x01\x00\x02\x02\x28", "\x15\x03\x03\x00\x02\x02\x28", "speaks TLS"},
		{"Hadoop", "hrpc\x09\x00\x00\x00\x00\x00\x01", "", "speaks Hadoop IPC"},
		{"DRPC", "DRPC!!!1", "", "speaks DRPC"},
		{"SSH", "SSH-2.0-OpenSSH_9.6\r\n", "", "53 53 48 2d"},
		{"Redis", "*1\r\n$4\r\nPING\r\n", "", "no known protocol"},
		{"zeros", strings.Repeat("\x00", 1000), "", "a length of 0"},
		{"ones", strings.Repeat("\xff", 1000), "", "over every limit"},
		{"text", "hello, is anybody there?\r\n", "", "no known protocol"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := abused(t, modest, server.WithBanner("This is the greeter's port"))
			nc := h.raw()
			if _, err := nc.Write([]byte(tc.in)); err != nil {
				t.Fatal(err)
			}
			got := drained(t, nc)
			if !bytes.HasPrefix(got, []byte(tc.answer)) || tc.answer == "" && len(got) > 0 {
				t.Errorf("answered %q", got)
			}
			if strings.HasPrefix(tc.name, "HTTP") && !bytes.Contains(got, []byte("This is the greeter's port")) {
				t.Errorf("answered %q", got)
			}
			h.ended(nc, tc.reason)
		})
	}
}

func TestRealHTTPClient(t *testing.T) {
	h := abused(t, modest, server.WithBanner("This is the greeter's port"))
	c := &http.Client{Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		req, err := http.NewRequest(method, "http://"+strings.TrimPrefix(h.tcp, "tcp://")+"/health", strings.NewReader(strings.Repeat("x", 100_000)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Errorf("%s: %v", method, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if method == http.MethodHead {
			body = []byte("This is the greeter's port; it does not speak HTTP.\n")
		}
		if resp.StatusCode != http.StatusBadRequest || err != nil || string(body) != "This is the greeter's port; it does not speak HTTP.\n" {
			t.Errorf("%s: %s, %q, %v", method, resp.Status, body, err)
		}
	}
}

func TestRealTLSClient(t *testing.T) {
	h := abused(t, modest)
	nc := h.raw()
	begin := time.Now()
	err := tls.Client(nc, &tls.Config{ServerName: "localhost"}).HandshakeContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "handshake failure") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	h.ended(nc, "speaks TLS")
}
