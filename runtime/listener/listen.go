package listener

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// ListenOptions configure Listen.
type ListenOptions struct {
	// TLS is what a tls:// address needs: certificates, and which clients' certificates are trusted. Where MinVersion is 0
	// it is TLS 1.3. The configuration is copied.
	TLS *tls.Config

	Mode fs.FileMode // permission bits of a Unix socket's file; connecting takes write permission. Default 0660
}

// Listen opens an address as rpc.ParseAddress takes it: "tcp://host:port" or "tls://host:port", where port 0 picks a free
// one, or "unix:///path". The Addr of a TLS listener has the network "tls"; its Accept returns connections as they came,
// so it is of use to Listener.Serve only.
//
// A Unix socket's file appears complete, with its mode, and ready to be connected to. A socket file that is there
// already is replaced if nobody listens on it any more; if somebody does the error is syscall.EADDRINUSE, and anything
// that is not a socket is an error and stays as it is. Close removes the file unless it has been replaced by then.
func Listen(address string, opts ListenOptions) (net.Listener, error) {
	network, addr, err := rpc.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		mode := opts.Mode.Perm()
		if opts.Mode == 0 {
			mode = 0o660
		}
		ln, err := listenUnix(addr, mode)
		if err != nil {
			return nil, fmt.Errorf("listener: listen on %s: %w", address, err)
		}
		return ln, nil
	}
	if network == "tls" && opts.TLS == nil {
		return nil, fmt.Errorf("listener: listen on %s: no TLS configuration is given", address)
	}
	lc := net.ListenConfig{KeepAlive: -1} // Listener.Serve sets that
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listener: listen on %s: %w", address, err)
	}
	if network == "tls" {
		return newTLSListener(ln.(*net.TCPListener), opts.TLS), nil
	}
	return ln, nil
}
