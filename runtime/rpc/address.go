package rpc

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// ParseAddress splits a server's address into what the net package's Dial and Listen take ("tcp" in place of "tls"):
//
//	tcp://host:port     "tcp", "host:port"     IPv6 in brackets; port is a number, 0 to 65535
//	tls://host:port     "tls", "host:port"     likewise; TLS over TCP
//	unix:///dir/name    "unix", "/dir/name"
//	unix://dir/name     "unix", "dir/name"     relative to the working directory
//
// The host may be empty: a server then listens on every interface, a client dials its own machine. Nothing is
// unescaped, and names are not looked up.
func ParseAddress(s string) (network, address string, err error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return "", "", fmt.Errorf("rpc: address %q: want tcp://host:port, tls://host:port or unix:///path", s)
	}
	switch scheme {
	case "tcp", "tls":
		if err := checkHostPort(rest); err != nil {
			return "", "", fmt.Errorf("rpc: address %q: %w", s, err)
		}
	case "unix":
		if err := checkSocketPath(rest); err != nil {
			return "", "", fmt.Errorf("rpc: address %q: %w", s, err)
		}
	default:
		return "", "", fmt.Errorf("rpc: address %q: unknown scheme %q: want tcp, tls or unix", s, scheme)
	}
	return scheme, rest, nil
}

func checkHostPort(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		// An AddrError repeats the address, which the caller names already.
		if a, ok := err.(*net.AddrError); ok {
			return fmt.Errorf("%s: want host:port, an IPv6 host in brackets", a.Err)
		}
		return err
	}
	if strings.ContainsAny(host, "/?#@ \x00") {
		return fmt.Errorf("bad host %q", host)
	}
	if strings.Contains(host, ":") {
		if !strings.HasPrefix(s, "[") {
			return fmt.Errorf("bad host %q", host)
		}
		bare, _, _ := strings.Cut(host, "%") // a zone
		if net.ParseIP(bare) == nil {
			return fmt.Errorf("bad IPv6 address %q", host)
		}
	}
	if len(port) == 0 || port[0] == '+' || port[0] == '-' {
		return fmt.Errorf("bad port %q: want a number from 0 to 65535", port)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("bad port %q: want a number from 0 to 65535", port)
	}
	return nil
}

func checkSocketPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("no path: want unix:///path")
	case strings.IndexByte(path, 0) >= 0:
		return fmt.Errorf("NUL in the path")
	case path[0] == '@':
		// net would take it for Linux's abstract name space, where no file mode keeps anybody out.
		return fmt.Errorf("abstract socket names are not supported; write ./%s for a file of that name", path)
	case strings.HasSuffix(path, "/"):
		return fmt.Errorf("the path names a directory")
	}
	return nil
}
