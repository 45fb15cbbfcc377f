// Package testpki makes certificate authorities and certificates for tests, in memory.
package testpki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"time"
)

// TB is what is needed of a testing.TB. Examples, which have none, pass something of their own.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// Authority signs certificates. Its methods may be called concurrently.
type Authority struct {
	t    TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	PEM  []byte // the authority's own certificate
	Pool *x509.CertPool
}

// New returns an authority with a fresh key.
func New(t TB, name string) *Authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{t: t, cert: cert, key: key, Pool: x509.NewCertPool()}
	a.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.Pool.AddCert(cert)
	return a
}

// Subject says what a certificate is to contain.
type Subject struct {
	CommonName string
	Names      []string // DNS names and IP addresses
	URIs       []string
	Expired    bool
	SelfSigned bool
}

// Pair is a certificate with its key.
type Pair struct {
	Cert, Key []byte // PEM
	TLS       tls.Certificate
}

// Issue returns a certificate that is good for servers and clients.
func (a *Authority) Issue(s Subject) Pair {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: serial(a.t), Subject: pkix.Name{CommonName: s.CommonName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if s.Expired {
		template.NotAfter = time.Now().Add(-time.Minute)
	}
	for _, name := range s.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	for _, text := range s.URIs {
		u, err := url.Parse(text)
		if err != nil {
			a.t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	parent, signer := a.cert, a.key
	if s.SelfSigned {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	p := Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
	if p.TLS, err = tls.X509KeyPair(p.Cert, p.Key); err != nil {
		a.t.Fatal(err)
	}
	return p
}

// Server returns a configuration for a server at 127.0.0.1, ::1 and localhost.
func (a *Authority) Server() *tls.Config {
	a.t.Helper()
	pair := a.Issue(Subject{CommonName: "server", Names: []string{"localhost", "127.0.0.1", "::1"}})
	return &tls.Config{Certificates: []tls.Certificate{pair.TLS}, ClientCAs: a.Pool, MinVersion: tls.VersionTLS13}
}

// Client returns a configuration that trusts the authority, with a certificate of its own unless s is nil.
func (a *Authority) Client(s *Subject) *tls.Config {
	a.t.Helper()
	config := &tls.Config{RootCAs: a.Pool, MinVersion: tls.VersionTLS13}
	if s != nil {
		config.Certificates = []tls.Certificate{a.Issue(*s).TLS}
	}
	return config
}

func newKey(t TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
