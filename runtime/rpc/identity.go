package rpc

import "context"

// Identity is who a peer has proved to be. It never comes from what a client merely says, nor from a look-up of its
// address.
type Identity struct {
	Kind string // how it was proved: one of the constants below; "" if the peer is anonymous
	Name string // its meaning is Kind's
}

// Kinds of identities.
const (
	// IdentityUnix is what the kernel says of a Unix socket's peer. Name is its user's name, or "#" and the number of a
	// user that has none.
	IdentityUnix = "unix"

	// IdentityTLS is what a verified client certificate says. Name is its first URI, such as "spiffe://prod/web"; if it
	// has none its first DNS name; if it has none "CN=" and the subject's common name.
	IdentityTLS = "tls"

	// IdentitySCRAM is a user who knows the user's secret. Name is the user's.
	IdentitySCRAM = "scram"
)

// String returns "kind:name", or "anonymous".
func (id Identity) String() string {
	if id.Kind == "" {
		return "anonymous"
	}
	return id.Kind + ":" + id.Name
}

// Authorizer decides whether a peer may call a method: nil lets it. m is what the call is routed by, so there is one
// name for it, however the caller spelled it. It runs before the arguments are decoded, on the goroutine that runs the
// call, and concurrently. An *Error is passed on to the caller; of any other error the caller learns only that it was
// denied.
type Authorizer func(ctx context.Context, id Identity, m *Method) error
