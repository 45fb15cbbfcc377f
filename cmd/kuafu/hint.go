package main

import (
	"crypto/x509"
	"errors"
	"strings"

	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// hinted is an error with what the user can do about it.
type hinted struct {
	err  error
	hint string
}

// hint adds what the user can do to an error.
func hint(err error, text string) error { return &hinted{err, text} }

// Error implements error.
func (h *hinted) Error() string { return h.err.Error() + "; " + h.hint }

// Unwrap returns the error itself.
func (h *hinted) Unwrap() error { return h.err }

// explain adds which flag is missing or wrong to an error that is about the connection's security.
func (t *target) explain(err error) error {
	var failure *rpc.Error
	if !errors.As(err, &failure) {
		return err
	}
	if text := t.security.advice(err, failure); text != "" {
		return hint(err, text)
	}
	return err
}

func (s *security) advice(err error, failure *rpc.Error) string {
	text := err.Error()
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case strings.Contains(text, "speaks TLS only"):
		return "the server speaks TLS: add --tls"
	case strings.Contains(text, "not speak TLS"):
		return "if the server is without TLS, leave out --tls and its companions, and tls:// in the address"
	case errors.As(err, &authority) && s.ca != "":
		return "the server's certificate is from none of the authorities in " + s.ca
	case errors.As(err, &authority):
		return "if the authority is your own, give its certificate with --ca"
	case errors.As(err, &host):
		return "if this is the right server, say with --server-name which name its certificate is for"
	case strings.Contains(text, "tls: certificate required") && s.cert == "":
		return "the server wants a certificate of its clients: give --cert and --key"
	case strings.Contains(text, "tls: certificate required"), strings.Contains(text, "tls: unknown certificate authority"), strings.Contains(text, "tls: bad certificate"):
		return "the server does not accept the certificate in " + s.cert
	case failure.Code == rpc.Unauthenticated && strings.Contains(text, "logging in"):
		return "is the user's name right, and the password?"
	case failure.Code == rpc.Unauthenticated && failure.Execution == rpc.NotExecuted:
		return "give --user and --password-file"
	case failure.Code == rpc.Unimplemented && strings.Contains(text, auth.ServiceName+"."):
		return "this server has no logins: leave out --user, and " + envUser + " in the environment"
	}
	return ""
}
