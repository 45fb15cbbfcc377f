package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// ServiceName is the service that clients log in by.
const ServiceName = "kuafu.Auth"

var (
	startMethod  = rpc.Method{Service: ServiceName, Name: "start", FullName: ServiceName + ".start", Priority: rpc.PriorityHigh, Compress: rpc.CompressNone}
	finishMethod = rpc.Method{Service: ServiceName, Name: "finish", FullName: ServiceName + ".finish", Priority: rpc.PriorityHigh, Compress: rpc.CompressNone}
)

// message is the argument struct {1: string} and the result struct {0: string} of both methods.
type message struct {
	field int16
	text  string
}

// EncodeThrift implements codec.Encodable.
func (m *message) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(m.field, m.text)
	e.EndStruct(outer)
}

// DecodeThrift implements codec.Decodable.
func (m *message) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.ID == m.field && f.Type == codec.String {
			m.text = d.String()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

// Link is a connection that a login is about.
type Link interface {
	// SetPeer makes p the peer of the calls that come from now on.
	SetPeer(p *rpc.Peer)

	// Close ends the connection.
	Close(reason error)
}

// Reasons for ending a connection.
var (
	ErrLoginTimeout  = errors.New("auth: the client did not log in in time")
	ErrLoginAttempts = errors.New("auth: too many failed logins")
)

const (
	loginTimeout  = 10 * time.Second // from the connection's begin
	loginAttempts = 3                // failed ones
)

// Gate makes clients log in before they call anything. A server tells it of its connections, registers its Service, and
// asks its Authorizer about each call. All methods may be called concurrently.
type Gate struct {
	secrets *Secrets
	log     *slog.Logger

	mu    sync.Mutex
	links map[*rpc.Peer]*attempt // connections that have not logged in
}

// attempt is a connection on its way to a login.
type attempt struct {
	peer  *rpc.Peer
	link  Link
	timer *time.Timer

	mu       sync.Mutex
	exchange *serverExchange // nil unless the next call must be finish
	failures int
	done     bool
}

// NewGate returns a Gate.
func NewGate(s *Secrets, log *slog.Logger) *Gate {
	return &Gate{secrets: s, log: log, links: make(map[*rpc.Peer]*attempt)}
}

// Opened notes a new connection; peer is its first Peer. A client that does not log in within 10 s is cut off.
func (g *Gate) Opened(peer *rpc.Peer, link Link) {
	a := &attempt{peer: peer, link: link}
	a.timer = time.AfterFunc(loginTimeout, a.giveUp)
	g.mu.Lock()
	g.links[peer] = a
	g.mu.Unlock()
}

// giveUp ends the connection, unless a login has come first.
func (a *attempt) giveUp() {
	a.mu.Lock()
	done, reason := a.done, ErrLoginTimeout
	if a.failures >= loginAttempts {
		reason = ErrLoginAttempts
	}
	a.mu.Unlock()
	if !done {
		a.link.Close(reason)
	}
}

// Closed forgets a connection. peer is what Opened got.
func (g *Gate) Closed(peer *rpc.Peer) {
	g.mu.Lock()
	a := g.links[peer]
	delete(g.links, peer)
	g.mu.Unlock()
	if a != nil {
		a.timer.Stop()
	}
}

// Authorizer lets in calls that were received after a login, and asks next about them if it is not nil. Of the others it
// lets in those of the login itself.
func (g *Gate) Authorizer(next rpc.Authorizer) rpc.Authorizer {
	return func(ctx context.Context, id rpc.Identity, m *rpc.Method) error {
		switch {
		case m == &startMethod || m == &finishMethod:
			return nil
		case id.Kind != rpc.IdentitySCRAM:
			return rpc.NewError(rpc.Unauthenticated, "this server wants its clients to log in first: see client.WithSecret")
		case next == nil:
			return nil
		}
		return next(ctx, id, m)
	}
}

// Service returns the service that clients log in by. Its methods have no plain names for stock Thrift clients.
func (g *Gate) Service() *rpc.Service {
	handler := func(m *rpc.Method, f func(a *attempt, text string) (string, error)) rpc.Handler {
		return rpc.Handler{
			Method:  m,
			NewArgs: func() codec.Decodable { return &message{field: 1} },
			Invoke: func(ctx context.Context, args codec.Decodable) (codec.Encodable, error) {
				c := rpc.CallFrom(ctx)
				if c == nil || c.Peer == nil {
					return nil, rpc.NewError(rpc.FailedPrecondition, "a login takes a connection")
				}
				g.mu.Lock()
				a := g.links[c.Peer]
				g.mu.Unlock()
				if a == nil {
					return nil, rpc.NewError(rpc.FailedPrecondition, "this connection has logged in already")
				}
				text, err := f(a, args.(*message).text)
				if err != nil {
					return nil, err
				}
				return &message{field: 0, text: text}, nil
			},
		}
	}
	return &rpc.Service{
		Name:      ServiceName,
		Auxiliary: true,
		Handlers:  []rpc.Handler{handler(&startMethod, g.start), handler(&finishMethod, g.finish)},
	}
}

func (g *Gate) start(a *attempt, text string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.exchange = nil
	if a.failures >= loginAttempts {
		return "", rpc.NewError(rpc.ResourceExhausted, "too many failed logins on this connection")
	}
	x, answer, err := startExchange(text, a.peer.Binding, g.secrets)
	if err != nil {
		return "", g.failedLocked(a, nil, err)
	}
	a.exchange = x
	return answer, nil
}

func (g *Gate) finish(a *attempt, text string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.exchange
	a.exchange = nil // good for one attempt, so nothing can be replayed
	if x == nil || a.done {
		return "", rpc.NewError(rpc.FailedPrecondition, "a login begins with start")
	}
	answer, err := x.finish(text)
	if err != nil {
		return "", g.failedLocked(a, x, err)
	}
	a.done = true
	g.Closed(a.peer)
	peer := *a.peer
	peer.Identity = rpc.Identity{Kind: rpc.IdentitySCRAM, Name: x.user}
	a.link.SetPeer(&peer) // before the reply: what the client sends after that counts as the user's
	return answer, nil
}

// failedLocked counts a failed attempt and returns what the client is told. A name is logged only if it is a user's:
// people type secrets in the wrong places.
func (g *Gate) failedLocked(a *attempt, x *serverExchange, err error) error {
	a.failures++
	attrs := []any{"network", a.peer.Network, "peer", a.peer.Address, "attempt", a.failures, "error", err}
	if x != nil && x.entry.real == 1 {
		attrs = append(attrs, "user", x.user)
	}
	g.log.Warn("auth: a login failed", attrs...)
	if a.failures >= loginAttempts {
		a.timer.Reset(lastWords)
	}
	code := rpc.Unauthenticated
	if err == errMalformed {
		code = rpc.InvalidArgument
	}
	return rpc.NewError(code, err.Error())
}

// lastWords is how long the reply to the last attempt may take to leave.
const lastWords = 100 * time.Millisecond

// Credentials are a user's name and secret, for a client. Printing them does not show the secret.
type Credentials struct {
	user   string
	secret string

	mu     sync.Mutex
	salt   string // of derived
	rounds int
	keys   keys
	client [32]byte
}

// NewCredentials returns credentials; it fails on a name that no user can have and on an empty secret.
func NewCredentials(user, secret string) (*Credentials, error) {
	if err := checkUser(user); err != nil {
		return nil, err
	}
	if secret == "" {
		return nil, errors.New("auth: an empty secret")
	}
	return &Credentials{user: user, secret: secret}, nil
}

// String returns the user's name.
func (c *Credentials) String() string { return c.user }

// GoString implements fmt.GoStringer.
func (c *Credentials) GoString() string { return "auth.Credentials{" + c.user + "}" }

// Format implements fmt.Formatter, so that no verb prints the fields.
func (c *Credentials) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue implements slog.LogValuer.
func (c *Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Login makes the login's two calls, which must go over one connection, and checks that the server knows the secret too.
// binding is the connection's tls-exporter, nil if it has none. The error is an *rpc.Error.
func (c *Credentials) Login(ctx context.Context, call func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error, binding []byte) error {
	x := &clientExchange{user: c.user, derive: c.derive, binding: binding, nonce: newNonce()}
	step := func(m *rpc.Method, text string) (string, error) {
		result := &message{field: 0}
		err := call(ctx, m, &message{field: 1, text: text}, result)
		return result.text, err
	}
	text, err := step(&startMethod, x.first())
	if err != nil {
		return err
	}
	if text, err = x.final(text); err != nil {
		return rpc.NewError(rpc.Unauthenticated, err.Error())
	}
	if text, err = step(&finishMethod, text); err != nil {
		return err
	}
	if err := x.verify(text); err != nil {
		return rpc.NewError(rpc.Unauthenticated, err.Error())
	}
	return nil
}

// derive keeps the last result: a client that reconnects meets the same salt.
func (c *Credentials) derive(salt []byte, iterations int) (keys, [32]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.salt != string(salt) || c.rounds != iterations {
		k, client, err := deriveKeys(c.secret, salt, iterations)
		if err != nil {
			return keys{}, client, errors.New("the secret cannot be hashed")
		}
		c.salt, c.rounds, c.keys, c.client = string(salt), iterations, k, client
	}
	return c.keys, c.client, nil
}
