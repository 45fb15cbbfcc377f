package gentest_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/kitchen"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/names"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/services"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestFailuresOfExceptions(t *testing.T) {
	for _, tt := range []struct {
		err       error
		says      bool // anything
		transient bool
	}{
		{&services.Overloaded{}, true, true},
		{&services.Empty{}, true, true},
		{&services.Refused{}, true, false},
		{&services.Gone{}, false, false},
		{&names.Hiccup{TransientFailure_: false}, true, true}, // whatever the field says
		{&names.Mistake{TransientFailure: true}, false, false},
	} {
		_, says := tt.err.(rpc.Transient)
		if says != tt.says || rpc.IsTransient(tt.err) != tt.transient {
			t.Errorf("%T: says something %t, is transient %t", tt.err, says, rpc.IsTransient(tt.err))
		}
	}
}

// attemptsServer fails as its script says, one word for each call.
type attemptsServer struct {
	services.Attempts // the streams, which nobody opens
	script            []error
}

func (s *attemptsServer) next() error {
	err := s.script[0]
	s.script = s.script[1:]
	return err
}

func (s *attemptsServer) Find(_ context.Context, how int32) (*kitchen.Later, error) {
	return &kitchen.Later{X: how}, s.next()
}
func (s *attemptsServer) Touch(context.Context, int32) error { return s.next() }
func (s *attemptsServer) Lasting(_ context.Context, how int32) (int32, error) {
	return how, s.next()
}
func (s *attemptsServer) Numbered(_ context.Context, how int32) (int32, error) {
	return how, s.next()
}
func (s *attemptsServer) Unmarked(_ context.Context, how int32) (int32, error) {
	return how, s.next()
}

// insistent is a Caller that makes a call again, with the same result, as long as that holds a transient exception.
type insistent struct {
	*loopback
	attempts int
}

func (c *insistent) Call(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
	for c.attempts = 1; ; c.attempts++ {
		if err := c.loopback.Call(ctx, m, args, result); err != nil {
			return err
		}
		if r, ok := result.(rpc.Transient); !ok || !r.TransientFailure() {
			return nil
		}
	}
}

// TestTransientReplies: the reply says that an attempt has met a transient exception, if another one may be made, and
// nothing of it is left when the next reply has come.
func TestTransientReplies(t *testing.T) {
	ctx := t.Context()
	overloaded, refused, gone := &services.Overloaded{Load: 9}, &services.Refused{Reason: "no"}, &services.Gone{Reason: "moved"}
	find := func(c *services.AttemptsClient) (any, error) {
		later, err := c.Find(ctx, 5)
		if err != nil {
			return nil, err
		}
		return *later, nil
	}
	touch := func(c *services.AttemptsClient) (any, error) { return nil, c.Touch(ctx, 5) }
	lasting := func(c *services.AttemptsClient) (any, error) { return c.Lasting(ctx, 5) }
	numbered := func(c *services.AttemptsClient) (any, error) { return c.Numbered(ctx, 5) }
	unmarked := func(c *services.AttemptsClient) (any, error) { return c.Unmarked(ctx, 5) }
	for _, tt := range []struct {
		name     string
		call     func(*services.AttemptsClient) (any, error)
		script   []error
		want     any
		err      error
		attempts int
	}{
		{"at once", find, []error{nil}, kitchen.Later{X: 5}, nil, 1},
		{"later", find, []error{overloaded, &services.Empty{}, overloaded, nil}, kitchen.Later{X: 5}, nil, 4},
		{"then a permanent one", find, []error{overloaded, refused}, nil, refused, 2},
		{"then an unmarked one", find, []error{&services.Empty{}, gone}, nil, gone, 2},
		{"void", touch, []error{overloaded, overloaded, nil}, nil, nil, 3},
		{"throws none", lasting, []error{refused}, int32(0), refused, 1},
		{"at most once", numbered, []error{overloaded}, int32(0), overloaded, 1},
		{"not idempotent", unmarked, []error{overloaded}, int32(0), overloaded, 1},
	} {
		for _, enc := range encodings {
			l, err := newLoopback(enc, services.NewAttemptsService(&attemptsServer{script: tt.script}))
			if err != nil {
				t.Fatal(err)
			}
			caller := &insistent{loopback: l}
			got, err := tt.call(services.NewAttemptsClient(caller))
			if !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(err, tt.err) || caller.attempts != tt.attempts {
				t.Errorf("%s: %v, %v after %d attempts, want %v, %v after %d", tt.name, got, err, caller.attempts, tt.want, tt.err, tt.attempts)
			}
		}
	}
}

// TestStreamRepliesSayNothing: what has been streamed cannot be taken back, so no reply at its end is for another attempt.
func TestStreamRepliesSayNothing(t *testing.T) {
	s := &unheard{}
	stream, err := services.NewAttemptsClient(s).Watch(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var overloaded *services.Overloaded
	if err := stream.Finish(t.Context()); !errors.As(err, &overloaded) || overloaded.Load != 3 {
		t.Errorf("finished with %v", err)
	}
	if _, ok := s.result.(rpc.Transient); ok {
		t.Errorf("%T says something", s.result)
	}
}

// unheard is a caller whose streams end at once, with an exception.
type unheard struct {
	rpc.Caller
	rpc.ClientStream
	result codec.Decodable
}

func (s *unheard) Open(context.Context, *rpc.Method, codec.Encodable) (rpc.ClientStream, error) {
	return s, nil
}

func (s *unheard) Finish(_ context.Context, result codec.Decodable) error {
	s.result = result
	return tryDecode(codec.Binary, []byte{12, 0, 1, 8, 0, 1, 0, 0, 0, 3, 0, 0}, result)
}
