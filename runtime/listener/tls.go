package listener

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// tlsListener is what Listen returns for a tls:// address. Its connections are still to be secured, which must not keep
// the accept loop.
type tlsListener struct {
	*net.TCPListener
	config *tls.Config
}

func newTLSListener(ln *net.TCPListener, config *tls.Config) *tlsListener {
	config = config.Clone()
	if config.MinVersion == 0 {
		config.MinVersion = tls.VersionTLS13
	}
	return &tlsListener{ln, config}
}

// Addr implements net.Listener.
func (t *tlsListener) Addr() net.Addr { return tlsAddr{t.TCPListener.Addr()} }

// tlsAddr is a TCP address whose network is "tls".
type tlsAddr struct{ net.Addr }

func (tlsAddr) Network() string { return "tls" }

// socket is the TCP connection underneath a tls.Conn. Its methods are the tls.Conn's alone, one goroutine reading and one
// writing.
type socket struct {
	*net.TCPConn
	stall time.Duration // how long the peer may take no byte

	greeting []byte // the first bytes that came, at most greetingSize; nil once the handshake is over
}

// recordHandshake is what a TLS client's first byte is.
const recordHandshake = 0x16

// greetingSize is how much of a failed handshake's input is shown to Options.Plaintext.
const greetingSize = 64

// Read implements net.Conn.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.TCPConn.Read(b)
	if s.greeting != nil && len(s.greeting) < greetingSize {
		s.greeting = append(s.greeting, b[:min(n, greetingSize-len(s.greeting))]...)
	}
	return n, err
}

// Write implements net.Conn. It fails with ErrSlowConsumer when the peer took no byte for the stall timeout; one that
// takes a byte now and then is waited for, so that tls.Conn never sees a record cut.
func (s *socket) Write(b []byte) (int, error) {
	step := max(s.stall/10, time.Millisecond)
	now := time.Now()
	for written, progress := 0, now; ; {
		if err := s.SetWriteDeadline(now.Add(step)); err != nil {
			return written, err
		}
		n, err := s.TCPConn.Write(b[written:])
		written += n
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
		now = time.Now()
		switch {
		case n > 0: // at some time during the step
			progress = now
		case now.Sub(progress) >= s.stall:
			return written, ErrSlowConsumer
		}
	}
}

// handshake secures the connection and fills in its peer.
func (k *link) handshake() error {
	c := k.c
	k.socket.greeting = make([]byte, 0, greetingSize)
	if err := k.socket.SetReadDeadline(time.Now().Add(c.l.opts.HandshakeTimeout)); err != nil {
		return err
	}
	if err := k.conn.Handshake(); err != nil {
		return k.handshakeError(err)
	}
	k.socket.greeting = nil
	if err := k.socket.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	state := k.conn.ConnectionState()
	c.peer.Identity = identityOf(&state)
	// Without TLS 1.3 or the extended master secret of TLS 1.2 there is nothing to bind to.
	if b, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32); err == nil {
		c.peer.Binding = b
	}
	return nil
}

// handshakeError explains err, and answers a peer that speaks something else.
func (k *link) handshakeError(err error) error {
	var header tls.RecordHeaderError
	greeting := k.socket.greeting
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrHandshakeTimeout
	case err == io.EOF:
		return err
	case errors.Is(err, net.ErrClosed):
		return ErrClosed
	case errors.As(err, &header) && len(greeting) > 0 && greeting[0] != recordHandshake:
		if f := k.c.l.opts.Plaintext; f != nil && header.Conn != nil { // else crypto/tls has sent an alert
			if b := f(greeting); len(b) > 0 {
				_, _ = k.socket.Write(b)
			}
		}
		return fmt.Errorf("%w: it began with %q", ErrPlaintext, greeting[:min(len(greeting), 24)])
	}
	return fmt.Errorf("listener: TLS handshake: %w", err)
}

// identityOf returns what a verified client certificate says; anonymous without one. What was presented but not verified
// counts for nothing.
func identityOf(state *tls.ConnectionState) rpc.Identity {
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return rpc.Identity{}
	}
	name := certificateName(state.VerifiedChains[0][0])
	if name == "" {
		return rpc.Identity{}
	}
	return rpc.Identity{Kind: rpc.IdentityTLS, Name: name}
}

// certificateName returns the first URI, DNS name or common name of a certificate. The three cannot be taken for one
// another: a URI has a scheme and a host, a DNS name neither slash nor colon nor equals sign, and a common name, which an
// authority may check less, a prefix.
func certificateName(cert *x509.Certificate) string {
	if len(cert.URIs) > 0 {
		u := cert.URIs[0]
		if u.Scheme == "" || u.Host == "" {
			return ""
		}
		return u.String()
	}
	if len(cert.DNSNames) > 0 {
		name := strings.ToLower(cert.DNSNames[0])
		if strings.Trim(name, ".") == "" || strings.ContainsFunc(name, notInDNSName) {
			return ""
		}
		return name
	}
	if cert.Subject.CommonName != "" {
		return "CN=" + cert.Subject.CommonName
	}
	return ""
}

func notInDNSName(r rune) bool {
	return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.' || r == '*')
}
