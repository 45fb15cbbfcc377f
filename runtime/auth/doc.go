// Package auth says who a peer is and what it may call: certificates, shared secrets and a policy, from files that are
// read again when they change.
//
// A server with all three:
//
//	certs, err := auth.OpenCertificates(auth.CertificateFiles{Cert: "tls.crt", Key: "tls.key", CA: "ca.crt"}, auth.Options{})
//	config, err := certs.ServerConfig(auth.RequireClientCert)
//	secrets, err := auth.OpenSecrets("secrets", auth.Options{})
//	policy, err := auth.OpenPolicy("policy", auth.Options{})
//	srv := server.New(server.WithTLS(config), server.WithSecrets(secrets), server.WithAuthorizer(policy.Authorize))
package auth
