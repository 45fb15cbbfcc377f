package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/kuafu-rpc/kuafu/runtime/auth"
)

// handshakeFailure is the alert with which a port of ours that speaks no TLS answers one who does.
var handshakeFailure = tls.AlertError(40).Error()

// open makes a transport connection to target, with TLS on top where the network is "tls".
func (c *config) open(ctx context.Context, network, target string) (net.Conn, error) {
	switch {
	case network == "tls":
		nc, err := c.dial(ctx, "tcp", target)
		if err != nil {
			return nil, err
		}
		return c.secure(ctx, nc, target)
	case network == "tcp" && c.tls != nil:
		return nil, errors.New("TLS is configured, and a tcp:// address goes without: use tls://")
	}
	return c.dial(ctx, network, target)
}

// secure puts TLS on top of nc, which was dialled to target, and closes nc if that fails.
func (c *config) secure(ctx context.Context, nc net.Conn, target string) (net.Conn, error) {
	own, err := c.tlsConfig(target)
	if err != nil {
		nc.Close()
		return nil, err
	}
	tc := tls.Client(nc, own)
	if err = tc.HandshakeContext(ctx); err == nil {
		return tc, nil
	}
	nc.Close()
	var remote *net.OpError
	switch {
	case errors.As(err, new(tls.RecordHeaderError)):
		return nil, fmt.Errorf("TLS: the server does not speak TLS: %w", err)
	case errors.As(err, &remote) && remote.Op == "remote error" && remote.Err.Error() == handshakeFailure:
		return nil, fmt.Errorf("TLS: %w; perhaps the port does not speak TLS", err)
	}
	return nil, fmt.Errorf("TLS: %w", err)
}

// tlsConfig returns the configuration of one connection to target, a host and a port.
func (c *config) tlsConfig(target string) (*tls.Config, error) {
	own := new(tls.Config)
	if c.tls != nil {
		given := c.tls()
		if given == nil {
			return nil, errors.New("TLS: the function given to WithTLS returned nil")
		}
		own = given.Clone()
	}
	if own.InsecureSkipVerify && own.VerifyConnection == nil {
		return nil, errors.New("TLS: InsecureSkipVerify without a VerifyConnection would trust anybody")
	}
	if own.ServerName == "" {
		host, _, err := net.SplitHostPort(target)
		if err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		if host == "" {
			return nil, errors.New("TLS: the address names no host that the server's certificate could be for")
		}
		own.ServerName = host
	}
	if own.MinVersion == 0 {
		own.MinVersion = tls.VersionTLS13
	}
	if own.NextProtos == nil && c.thrift == nil {
		own.NextProtos = []string{auth.ALPN}
	}
	return own, nil
}
