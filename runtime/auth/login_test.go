package auth

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// fakeLink is a connection of which a Gate knows.
type fakeLink struct {
	peer *rpc.Peer // of calls that come now

	mu     sync.Mutex
	reason error
}

func (l *fakeLink) SetPeer(p *rpc.Peer)        { l.peer = p }
func (l *fakeLink) Reply(*rpc.Call, rpc.Reply) {}

func (l *fakeLink) Close(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reason = reason
}

func (l *fakeLink) closed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

// call is what a client's calls come to at a Gate.
func call(g *Gate, l *fakeLink) func(context.Context, *rpc.Method, codec.Encodable, codec.Decodable) error {
	service := g.Service()
	return func(_ context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
		for _, h := range service.Handlers {
			if h.Method.FullName != m.FullName {
				continue
			}
			c := &rpc.Call{Peer: l.peer, Replier: l}
			out, err := h.Invoke(c.Context(), transport(args, h.NewArgs()))
			if err == nil {
				transport(out, result)
			}
			return err
		}
		return errors.New("no such method")
	}
}

// transport has to decode what from encodes.
func transport(from codec.Encodable, to codec.Decodable) codec.Decodable {
	e := codec.NewEncoder(codec.Compact, nil)
	from.EncodeThrift(e)
	to.DecodeThrift(codec.NewDecoder(codec.Compact, e.Bytes()))
	return to
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logbook{}
		g := NewGate(store(t), log.logger())
		first := &rpc.Peer{Network: "tcp", Address: "1.2.3.4:5"}
		l := &fakeLink{peer: first}
		g.Opened(first, l)
		denies := func(id rpc.Identity, m *rpc.Method, next rpc.Authorizer) rpc.Code {
			if err := g.Authorizer(next)(t.Context(), id, m); err != nil {
				return rpc.CodeOf(err)
			}
			return 0
		}
		other := &rpc.Method{Service: ServiceName, Name: "start", FullName: "kuafu.Auth.start"} // the name alone opens nothing
		never := func(context.Context, rpc.Identity, *rpc.Method) error { return errors.New("no") }
		unix := rpc.Identity{Kind: rpc.IdentityUnix, Name: "root"}
		if denies(rpc.Identity{}, &startMethod, never) != 0 || denies(unix, &finishMethod, never) != 0 ||
			denies(unix, other, nil) != rpc.Unauthenticated {
			t.Error("before a login other calls than the login's get through, or its own do not")
		}
		good, err := NewCredentials("alice", "wonderland")
		if err != nil {
			t.Fatal(err)
		}
		if err := good.Login(t.Context(), call(g, l), nil); err != nil {
			t.Fatal(err)
		}
		if l.peer == first || first.Identity.Kind != "" || l.peer.Address != first.Address {
			t.Errorf("the peers are %+v and %+v", first, l.peer)
		}
		alice := l.peer.Identity
		if alice.String() != "scram:alice" || denies(alice, other, nil) != 0 || denies(alice, other, never) != rpc.Unknown {
			t.Errorf("after the login: %v", alice)
		}
		for _, peer := range []*rpc.Peer{l.peer, first, nil} { // also a call that was sent before
			err := good.Login(t.Context(), call(g, &fakeLink{peer: peer}), nil)
			if rpc.CodeOf(err) != rpc.FailedPrecondition {
				t.Errorf("a second login: %v", err)
			}
		}
		time.Sleep(time.Minute)
		if l.closed() != nil {
			t.Errorf("the connection was closed: %v", l.closed())
		}
		g.Closed(first)

		late := &fakeLink{peer: &rpc.Peer{}}
		g.Opened(late.peer, late)
		gone := &fakeLink{peer: &rpc.Peer{}}
		g.Opened(gone.peer, gone)
		g.Closed(gone.peer)
		time.Sleep(loginTimeout - time.Nanosecond)
		synctest.Wait()
		if late.closed() != nil {
			t.Error("cut off too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if late.closed() != ErrLoginTimeout || gone.closed() != nil {
			t.Errorf("closed with %v and %v", late.closed(), gone.closed())
		}
	})
}

func TestGateLimitsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logbook{}
		g := NewGate(store(t), log.logger())
		l := &fakeLink{peer: &rpc.Peer{}}
		g.Opened(l.peer, l)
		bad, err := NewCredentials("alice", "looking-glass")
		if err != nil {
			t.Fatal(err)
		}
		for range loginAttempts {
			if err := bad.Login(t.Context(), call(g, l), nil); rpc.CodeOf(err) != rpc.Unauthenticated {
				t.Errorf("a bad login: %v", err)
			}
		}
		good, err := NewCredentials("alice", "wonderland")
		if err != nil {
			t.Fatal(err)
		}
		if err := good.Login(t.Context(), call(g, l), nil); rpc.CodeOf(err) != rpc.ResourceExhausted {
			t.Errorf("after %d failures: %v", loginAttempts, err)
		}
		time.Sleep(lastWords)
		synctest.Wait()
		if l.closed() != ErrLoginAttempts || log.count("a login failed") != loginAttempts {
			t.Errorf("closed with %v after %d failures", l.closed(), log.count("a login failed"))
		}
	})
}

// TestServerMustKnowTheSecret has a server that says yes to everybody.
func TestServerMustKnowTheSecret(t *testing.T) {
	c, err := NewCredentials("alice", "wonderland")
	if err != nil {
		t.Fatal(err)
	}
	impostor := func(_ context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
		answer := &message{field: 0, text: "v=" + vectorSigned}
		if m == &startMethod {
			nonce, _, _ := attribute(args.(*message).text[len("n,,n=alice,"):], "r")
			answer.text = "r=" + nonce + "abc,s=" + vectorSalt + ",i=4096"
		}
		transport(answer, result)
		return nil
	}
	if err := c.Login(t.Context(), impostor, nil); rpc.CodeOf(err) != rpc.Unauthenticated {
		t.Errorf("a server that does not know the secret: %v", err)
	}
}
