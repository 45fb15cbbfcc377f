package thrift

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

var framedBinary = Dialect{Framed: true, Encoding: codec.Binary, Strict: true}

// exchange sends a reply through framedBinary and returns what the client gets.
func exchange(t *testing.T, c *rpc.Call, r rpc.Reply) (string, *rpc.Error) {
	t.Helper()
	got, err := framedBinary.ReadReply(one(t, &framedBinary, framedBinary.AppendReply(nil, c, r)))
	if err != nil {
		t.Fatal(err)
	}
	result := text{id: 0}
	if err = got.Decode(&result); err == nil {
		return result.s, nil
	}
	var e *rpc.Error
	if !errors.As(err, &e) {
		t.Fatalf("the error is a %T", err)
	}
	return "", e
}

// Every code, with everything that execution may be, arrives as the table of DESIGN.md says, and no handler's error
// comes out as a promise that nothing was executed.
func TestErrorCodes(t *testing.T) {
	c := &rpc.Call{Handler: &rpc.Handler{Method: echo}, Encoding: codec.Binary}
	for code := rpc.Canceled; code <= rpc.Unauthenticated; code++ {
		for _, x := range []rpc.Execution{rpc.MaybeExecuted, rpc.NotExecuted, rpc.Executed} {
			want := rpc.Error{Code: rpc.Internal, Message: code.String() + ": why", Execution: rpc.MaybeExecuted}
			switch {
			case code == rpc.Internal, code == rpc.Unknown:
				want.Message = "why"
			case code == rpc.Unimplemented && x != rpc.Executed, code == rpc.InvalidArgument && x == rpc.NotExecuted:
				want = rpc.Error{Code: code, Message: "why", Execution: rpc.NotExecuted}
			}
			_, e := exchange(t, c, rpc.Reply{Err: &rpc.Error{Code: code, Message: "why", Execution: x}})
			if e == nil || e.Code != want.Code || e.Message != want.Message || e.Execution != want.Execution || !e.Remote {
				t.Errorf("%v, %v: got %+v, want %+v", code, x, e, want)
			}
			if x == rpc.Executed && e.Execution == rpc.NotExecuted {
				t.Errorf("%v: an executed call may be sent again", code)
			}
		}
	}
}

func TestExceptionTypes(t *testing.T) {
	for typ, want := range map[exceptionType]struct {
		code rpc.Code
		x    rpc.Execution
	}{
		0: {rpc.Unknown, rpc.MaybeExecuted}, 1: {rpc.Unimplemented, rpc.NotExecuted}, 2: {rpc.Unimplemented, rpc.NotExecuted},
		3: {rpc.Internal, rpc.MaybeExecuted}, 4: {rpc.Internal, rpc.MaybeExecuted}, 5: {rpc.Internal, rpc.Executed},
		6: {rpc.Internal, rpc.MaybeExecuted}, 7: {rpc.InvalidArgument, rpc.NotExecuted}, 8: {rpc.Unimplemented, rpc.NotExecuted},
		9: {rpc.Unimplemented, rpc.NotExecuted}, 10: {rpc.Unimplemented, rpc.NotExecuted}, 11: {rpc.Unknown, rpc.MaybeExecuted},
		-1: {rpc.Unknown, rpc.MaybeExecuted},
	} {
		if e := (&applicationException{typ: typ}).asError(); e.Code != want.code || e.Execution != want.x {
			t.Errorf("type %d is %v, %v", typ, e.Code, e.Execution)
		}
	}
}

func TestReplies(t *testing.T) {
	c := &rpc.Call{Handler: &rpc.Handler{Method: echo}, Encoding: codec.Binary}
	if s, e := exchange(t, c, rpc.Reply{Result: &text{0, "ho"}}); e != nil || s != "ho" {
		t.Errorf("got %q, %v", s, e)
	}
	if _, e := exchange(t, c, rpc.Reply{}); e == nil || e.Code != rpc.Internal || e.Execution != rpc.Executed {
		t.Errorf("no result: %+v", e)
	}
	if _, e := exchange(t, c, rpc.Reply{Result: unsendable{}}); e == nil || e.Code != rpc.Internal || !strings.Contains(e.Message, "no such enum value") {
		t.Errorf("a result that does not encode: %+v", e)
	}
	small := framedBinary
	small.MaxFrame = 100
	b := small.AppendReply([]byte("x"), c, rpc.Reply{Result: &text{0, strings.Repeat("a", 100)}})
	r, err := framedBinary.ReadReply(one(t, &framedBinary, b[1:]))
	if err != nil || !strings.Contains(r.Decode(nil).Error(), "at most 100") {
		t.Errorf("a result over the limit: %+v, %v", r, err)
	}
	if b, err := small.AppendCall([]byte("x"), 1, "echo", echo, &text{1, strings.Repeat("a", 100)}); err == nil || string(b) != "x" {
		t.Errorf("a call over the limit: %q, %v", b, err)
	}
	if b, err := small.AppendCall([]byte("x"), 1, "echo", echo, unsendable{}); err == nil || string(b) != "x" {
		t.Errorf("a call that does not encode: %q, %v", b, err)
	}
	for _, body := range []string{"", "0b0000", "0b0000 7fffffff"} {
		r, err := framedBinary.ReadReply(unhex(t, "80010002 00000004 6563686f 00000007"+body))
		if err != nil || rpc.CodeOf(r.Decode(&text{})) != rpc.Internal {
			t.Errorf("a broken result: %v", err)
		}
		r, err = framedBinary.ReadReply(unhex(t, "80010003 00000004 6563686f 00000007"+body))
		if err != nil || rpc.CodeOf(r.Decode(&text{})) != rpc.Internal {
			t.Errorf("a broken exception: %v", err)
		}
	}
	// Apache's servers may add to the exception, and leave out of it.
	r, err = framedBinary.ReadReply(unhex(t, "80010003 00000004 6563686f 00000007 0c0009 08000100000001 00 080002 00000006 00"))
	if err != nil {
		t.Fatal(err)
	}
	var e *rpc.Error
	if !errors.As(r.Decode(nil), &e) || e.Code != rpc.Internal || e.Message != "" {
		t.Errorf("an exception without text: %+v", e)
	}
}

// A oneway message gets no reply, whatever the method is; a oneway method gives none, whatever the message was.
func TestOneway(t *testing.T) {
	for _, tt := range []struct {
		message bool
		method  *rpc.Method
		answer  bool
	}{{true, ping, false}, {true, echo, false}, {true, nil, false}, {false, ping, false}, {false, echo, true}, {false, nil, true}} {
		c := &rpc.Call{Oneway: tt.message, Name: "x", Encoding: codec.Binary}
		if tt.method != nil {
			c.Handler = &rpc.Handler{Method: tt.method}
		}
		for _, r := range []rpc.Reply{{}, {Result: &text{0, "ho"}}, {Err: rpc.NewError(rpc.Internal, "no")}} {
			if b := framedBinary.AppendReply(nil, c, r); (b != nil) != tt.answer {
				t.Errorf("%+v is answered with %x", tt, b)
			}
		}
	}
}

func TestLongTexts(t *testing.T) {
	c := &rpc.Call{Handler: &rpc.Handler{Method: echo}, Encoding: codec.Binary}
	for _, s := range []string{strings.Repeat("a", 1<<20), strings.Repeat("a", maxExceptionText-1) + "é", strings.Repeat("世界", 1<<16), strings.Repeat("a\xff", 1<<16)} {
		_, e := exchange(t, c, rpc.Reply{Err: rpc.NewError(rpc.Internal, s)})
		if !utf8.ValidString(e.Message) || len(e.Message) > maxExceptionText || len(e.Message) < maxExceptionText-utf8.UTFMax {
			t.Errorf("a text of %d bytes arrives with %d", len(s), len(e.Message))
		}
	}
	if got := clip(strings.Repeat("a", maxExceptionText-1) + "é"); got != strings.Repeat("a", maxExceptionText-1) {
		t.Errorf("clip cuts to %d bytes", len(got))
	}
	if got := clip("a\xffb"); got != "a?b" {
		t.Errorf("clip gives %q", got)
	}
}
