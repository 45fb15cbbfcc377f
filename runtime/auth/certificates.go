package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ALPN is the name of this protocol in TLS's protocol negotiation. A peer that negotiates must offer it; one that does
// not negotiate, such as a stock Thrift client, is welcome.
const ALPN = "kuafu"

// CertificateFiles name PEM files.
type CertificateFiles struct {
	Cert string // the own certificate, followed by intermediate ones; may be empty for a client
	Key  string // its private key
	CA   string // the authorities that the other side's certificates must come from. Empty: the system's for a client

	// MinVersion is the lowest TLS version; default TLS 1.3. tls.VersionTLS12 is the lowest allowed.
	MinVersion uint16
}

// ClientCert says what a server wants of its clients' certificates.
type ClientCert uint8

const (
	NoClientCert      ClientCert = iota // none is asked for
	RequestClientCert                   // one that is presented must be valid; without one a client is anonymous
	RequireClientCert                   // without a valid one a client is turned away
)

// Certificates are a certificate, its key and trusted authorities. New connections use the files' present contents, old
// ones live on. All methods may be called concurrently.
type Certificates struct {
	files   *files
	version uint16
	hasCert bool
	hasCA   bool
	current atomic.Pointer[snapshot]
}

// snapshot is what the files said at one time.
type snapshot struct {
	server [RequireClientCert + 1]*tls.Config // by ClientCert
	client *tls.Config
}

// OpenCertificates reads the files and watches them until Close. If new contents do not fit together, are no
// certificates or have expired, the old ones stay in force and the error is logged.
func OpenCertificates(f CertificateFiles, opts Options) (*Certificates, error) {
	c := &Certificates{version: f.MinVersion, hasCert: f.Cert != "", hasCA: f.CA != ""}
	switch {
	case (f.Cert == "") != (f.Key == ""):
		return nil, errors.New("auth: a certificate and its key need each other")
	case f.MinVersion == 0:
		c.version = tls.VersionTLS13
	case f.MinVersion < tls.VersionTLS12:
		return nil, fmt.Errorf("auth: %s is not safe any more", tls.VersionName(f.MinVersion))
	}
	var err error
	c.files, err = watch("certificates", []string{f.Cert, f.Key, f.CA}, opts, c.take)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close stops watching. What has been read stays in force.
func (c *Certificates) Close() { c.files.close() }

// take implements files.take.
func (c *Certificates) take(contents [][]byte) error {
	// No session tickets: connections live long, so they would save little, and a resumed session would outlive a change
	// of the authorities.
	base := &tls.Config{MinVersion: c.version, NextProtos: []string{ALPN}, SessionTicketsDisabled: true}
	if c.hasCert {
		pair, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return err
		}
		if pair.Leaf == nil {
			if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
				return err
			}
		}
		if end := pair.Leaf.NotAfter; time.Now().After(end) {
			return fmt.Errorf("the certificate expired at %v", end)
		}
		base.Certificates = []tls.Certificate{pair}
	}
	var pool *x509.CertPool
	if c.hasCA {
		pool = x509.NewCertPool()
		if !pool.AppendCertsFromPEM(contents[2]) {
			return errors.New("the file of authorities holds no certificate")
		}
	}
	s := &snapshot{client: base.Clone()}
	s.client.RootCAs = pool
	for kind, auth := range map[ClientCert]tls.ClientAuthType{
		NoClientCert:      tls.NoClientCert,
		RequestClientCert: tls.VerifyClientCertIfGiven,
		RequireClientCert: tls.RequireAndVerifyClientCert,
	} {
		s.server[kind] = base.Clone()
		s.server[kind].ClientAuth = auth
		if kind != NoClientCert {
			s.server[kind].ClientCAs = pool
		}
	}
	c.current.Store(s)
	return nil
}

// ServerConfig returns a configuration that follows the files, for server.WithTLS. It fails if there is no certificate,
// or no authority to judge the clients' by.
func (c *Certificates) ServerConfig(clients ClientCert) (*tls.Config, error) {
	switch {
	case clients > RequireClientCert:
		return nil, fmt.Errorf("auth: unknown ClientCert %d", clients)
	case !c.hasCert:
		return nil, errors.New("auth: a TLS server needs a certificate")
	case !c.hasCA && clients != NoClientCert:
		return nil, errors.New("auth: clients' certificates cannot be verified without a file of authorities")
	}
	config := c.current.Load().server[clients].Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return c.current.Load().server[clients], nil
	}
	return config, nil
}

// ClientConfig returns the configuration of the files' present contents; ask again for each connection, as
// client.WithTLS does. Hosts' names are verified.
func (c *Certificates) ClientConfig() *tls.Config { return c.current.Load().client.Clone() }
