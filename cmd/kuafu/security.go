package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/client"
)

// Environment variables in place of flags.
const (
	envUser     = "KUAFU_USER"
	envPassword = "KUAFU_PASSWORD"
)

// maxPassword bounds what is read as a password.
const maxPassword = 4096

// security says how a connection is secured, and as whom the command logs in. No password is ever a flag: other users
// of a machine see the flags of its processes.
type security struct {
	tls           bool
	ca, cert, key string // files
	serverName    string
	user          string
	passwordFile  string

	certs *auth.Certificates // nil without files
}

func (s *security) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&s.tls, "tls", false, "connect with TLS, as tls:// in the address and the next four flags do too")
	f.StringVar(&s.ca, "ca", "", "`file` with the certificates of the authorities to trust, in PEM; else the machine's are")
	f.StringVar(&s.cert, "cert", "", "`file` with the client's own certificate, in PEM")
	f.StringVar(&s.key, "key", "", "`file` with the private key of --cert, in PEM")
	f.StringVar(&s.serverName, "server-name", "", "`name` that the server's certificate must be for, if it is not the host in the address")
	f.StringVar(&s.user, "user", "", "log in as this `user`; "+envUser+" in the environment does the same")
	f.StringVar(&s.passwordFile, "password-file", "", "`file` with the user's password; else it is "+envPassword+" in the environment, or asked for")
	for _, name := range []string{"ca", "cert", "key"} {
		_ = cmd.MarkFlagFilename(name, "pem", "crt", "cer", "key") // fails only where there is no such flag
	}
	_ = cmd.MarkFlagFilename("password-file")
}

// secure reports whether a flag asks for TLS.
func (s *security) secure() bool {
	return s.tls || s.ca != "" || s.cert != "" || s.key != "" || s.serverName != ""
}

// address returns the full address to connect to.
func (s *security) address(address string) (string, error) {
	scheme, _, ok := strings.Cut(address, "://")
	switch {
	case !ok && s.secure():
		return "tls://" + address, nil
	case !ok:
		return "tcp://" + address, nil
	case s.secure() && scheme == "tcp":
		return "", usagef("%s is without TLS, which the flags ask for: write tls://, or leave the scheme out", address)
	case s.secure() && scheme == "unix":
		return "", usagef("%s: there is no TLS on Unix sockets, and no use for its flags", address)
	}
	return address, nil
}

// options returns what a client needs to connect to a full address.
func (s *security) options(ctx context.Context, a *app, address, thrift string) ([]client.Option, error) {
	var opts []client.Option
	if strings.HasPrefix(address, "tls://") {
		current, err := s.config()
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.WithTLS(current))
	}
	user := s.user
	if user == "" && thrift == "" { // stock Thrift servers know no logins, whoever the environment says we are
		user = os.Getenv(envUser)
	}
	switch {
	case user == "" && s.passwordFile != "":
		return nil, usagef("--password-file: whose password? Add --user")
	case user == "":
		return opts, nil
	}
	password, err := s.password(ctx, a, user)
	if err != nil {
		return nil, err
	}
	return append(opts, client.WithSecret(user, password)), nil
}

// config returns what client.WithTLS wants.
func (s *security) config() (func() *tls.Config, error) {
	if (s.cert == "") != (s.key == "") {
		return nil, usagef("--cert and --key go together")
	}
	current := func() *tls.Config { return &tls.Config{NextProtos: []string{auth.ALPN}} }
	if s.ca != "" || s.cert != "" {
		certs, err := auth.OpenCertificates(auth.CertificateFiles{Cert: s.cert, Key: s.key, CA: s.ca},
			auth.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, usageError{err}
		}
		s.certs, current = certs, certs.ClientConfig
	}
	if s.serverName == "" {
		return current, nil
	}
	return func() *tls.Config {
		c := current().Clone()
		c.ServerName = s.serverName
		return c
	}, nil
}

// close ends what config has begun.
func (s *security) close() {
	if s.certs != nil {
		s.certs.Close()
	}
}

// password returns the password of a user. Nothing of it is in the errors.
func (s *security) password(ctx context.Context, a *app, user string) (string, error) {
	if s.passwordFile != "" {
		f, err := os.Open(s.passwordFile)
		if err != nil {
			return "", usageError{fmt.Errorf("--password-file: %w", err)}
		}
		defer f.Close()
		password, err := readPassword(f)
		if err != nil {
			return "", usageError{fmt.Errorf("--password-file %s: %w", s.passwordFile, err)}
		}
		return password, nil
	}
	if password := os.Getenv(envPassword); password != "" {
		return password, nil
	}
	password, err := a.ask(ctx, "Password of "+user+": ")
	if errors.Is(err, errNoTerminal) {
		return "", usagef("no password for user %s: give --password-file, or set %s", user, envPassword)
	}
	return password, err
}

// readPassword reads the one line that in has; the line end may be missing.
func readPassword(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxPassword+1))
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case len(text) > maxPassword:
		return "", fmt.Errorf("longer than %d bytes", maxPassword)
	case password == "":
		return "", errors.New("empty")
	case strings.ContainsAny(password, "\r\n"):
		return "", errors.New("more than one line")
	}
	return password, nil
}
