package rpc

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, tt := range []struct{ in, network, address string }{
		{"tcp://localhost:9090", "tcp", "localhost:9090"},
		{"tcp://10.1.2.3:0", "tcp", "10.1.2.3:0"},
		{"tcp://:65535", "tcp", ":65535"},
		{"tcp://[::1]:80", "tcp", "[::1]:80"},
		{"tcp://[fe80::1%eth0]:80", "tcp", "[fe80::1%eth0]:80"},
		{"tls://example.com:443", "tls", "example.com:443"},
		{"tls://[::1]:0", "tls", "[::1]:0"},
		{"unix:///run/kuafu.sock", "unix", "/run/kuafu.sock"},
		{"unix://kuafu.sock", "unix", "kuafu.sock"},
		{"unix://./@odd", "unix", "./@odd"},
		{"unix:///a b/c%20d", "unix", "/a b/c%20d"},
	} {
		network, address, err := ParseAddress(tt.in)
		if network != tt.network || address != tt.address || err != nil {
			t.Errorf("ParseAddress(%q) = %q, %q, %v; want %q, %q", tt.in, network, address, err, tt.network, tt.address)
		}
	}
}

func TestParseAddressErrors(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "want tcp://host:port, tls://host:port or unix:///path"},
		{"localhost:9090", "want tcp://host:port"},
		{"/run/x.sock", "unix:///path"},
		{"http://localhost:80", `unknown scheme "http"`},
		{"TCP://localhost:80", `unknown scheme "TCP"`},
		{"tcp://localhost", "missing port"},
		{"tcp://::1:80", "too many colons"},
		{"tcp://[::1]", "missing port"},
		{"tcp://[nonsense:x]:80", "bad IPv6 address"},
		{"tcp://host:", "bad port"},
		{"tcp://host:http", "bad port"},
		{"tcp://host:65536", "bad port"},
		{"tcp://host:+80", "bad port"},
		{"tcp://host:-1", "bad port"},
		{"tcp://host:80/path", "bad port"},
		{"tcp://user@host:80", "bad host"},
		{"tcp://a/b:80", "bad host"},
		{"tls://host", "missing port"},
		{"TLS://host:1", `unknown scheme "TLS"`},
		{"unix://", "no path"},
		{"unix:///dir/", "names a directory"},
		{"unix://@abstract", "abstract"},
		{"unix:///a\x00b", "NUL"},
	} {
		network, address, err := ParseAddress(tt.in)
		if err == nil {
			t.Errorf("ParseAddress(%q) = %q, %q; want an error", tt.in, network, address)
		} else if !strings.Contains(err.Error(), tt.want) || network != "" || address != "" {
			t.Errorf("ParseAddress(%q) = %q, %q, %q; want an error with %q", tt.in, network, address, err, tt.want)
		}
	}
}
