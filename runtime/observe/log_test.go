package observe_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// logger returns a logger without times, and what it writes.
func logger(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level, ReplaceAttr: timeless})), &b
}

func timeless(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

var web = &rpc.Peer{Network: "tls", Address: "10.0.0.7:4711", Identity: rpc.Identity{Kind: "tls", Name: "spiffe://prod/web"}}

func failure(code rpc.Code, x rpc.Execution) *rpc.Error {
	return &rpc.Error{Code: code, Message: "so it is", Execution: x}
}

func TestLog(t *testing.T) {
	done := observe.CallDone{Method: echo, Peer: web, Queue: time.Millisecond, Processing: 2 * time.Second, Response: 3 * time.Microsecond, Done: time.Unix(1e9, 0)}
	with := func(err *rpc.Error) func(observe.Events) {
		return func(e observe.Events) { c := done; c.Err = err; e.CallDone(c) }
	}
	const times = ` queue=1ms processing=2s response=3µs`
	const peer = ` peer.network=tls peer.address=10.0.0.7:4711 peer.identity=tls:spiffe://prod/web`
	for _, tt := range []struct {
		name string
		do   func(observe.Events)
		want string
	}{
		{"success", with(nil), ""},
		{"the caller's mistake", with(failure(rpc.InvalidArgument, rpc.Executed)), ""},
		{"overload", with(failure(rpc.ResourceExhausted, rpc.NotExecuted)), ""},
		{"denied, which the server logs", with(failure(rpc.PermissionDenied, rpc.NotExecuted)), ""},
		{"the server's fault", with(failure(rpc.Internal, rpc.Executed)),
			`level=WARN msg="rpc: call failed" method=Echo.echo code=internal` + peer + times + ` error="so it is"`},
		{"slow", func(e observe.Events) {
			c := done
			c.Retry, c.Unsent = 2, true
			c.Trace = rpc.TraceContext{TraceID: [16]byte{15: 1}, SpanID: [8]byte{7: 2}}
			e.SlowCall(observe.SlowCall{CallDone: c, Limit: time.Second, Mean: time.Millisecond})
		}, `level=WARN msg="rpc: slow call" method=Echo.echo code=ok` + peer + times +
			` retry=2 unsent=true trace=00-00000000000000000000000000000001-0000000000000002-00 limit=1s mean=1ms`},
		{"a name of the peer's", func(e observe.Events) {
			e.CallDone(observe.CallDone{Name: "x\ny" + strings.Repeat("z", 500), Err: failure(rpc.Unknown, rpc.Executed)})
		}, `level=WARN msg="rpc: call failed" method="x\ny` + strings.Repeat("z", 125) + `" code=unknown queue=0s processing=0s response=0s error="so it is"`},
		{"opened", func(e observe.Events) { e.ConnOpened(observe.ConnOpened{Peer: web}) }, `level=DEBUG msg="rpc: connection opened"` + peer},
	} {
		l, b := logger(slog.LevelDebug)
		tt.do(observe.Log(l))
		if diff := cmp.Diff(tt.want, strings.TrimSuffix(b.String(), "\n")); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
		quiet, b := logger(slog.LevelError)
		if tt.do(observe.Log(quiet)); b.Len() > 0 {
			t.Errorf("%s: logged below the level: %s", tt.name, b)
		}
	}
}

func TestLogIsLimited(t *testing.T) {
	l, b := logger(slog.LevelInfo)
	e := observe.Log(l)
	now := time.Unix(1e9, 0)
	fail := func() {
		e.CallDone(observe.CallDone{Method: echo, Done: now, Err: failure(rpc.Internal, rpc.Executed)})
	}
	for range 1000 {
		fail()
	}
	if n := strings.Count(b.String(), "\n"); n != 20 {
		t.Errorf("%d lines in a second", n)
	}
	if strings.Contains(b.String(), "suppressed") {
		t.Error("lines own up to suppressing lines that come later")
	}
	b.Reset()
	e.SlowCall(observe.SlowCall{CallDone: observe.CallDone{Method: echo, Done: now}})
	if b.Len() == 0 {
		t.Error("one kind of line uses up the room of another")
	}
	b.Reset()
	now = now.Add(time.Second)
	fail()
	fail()
	lines := strings.SplitAfter(b.String(), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], " suppressed=980\n") || strings.Contains(lines[1], "suppressed") {
		t.Errorf("a second later: %q", lines)
	}
}

func ExampleAccessLog() {
	l := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: timeless}))
	events := observe.Tee(observe.Log(slog.Default()), observe.AccessLog(l))

	// What a server given these events does for every call:
	events.CallDone(observe.CallDone{Method: echo, Queue: 40 * time.Microsecond, Processing: time.Millisecond,
		Response: 15 * time.Microsecond, RequestBytes: 120, ReplyBytes: 88, ReplyRawBytes: 500})
	// And a client:
	events.ClientCallDone(observe.ClientCallDone{Method: echo, Took: time.Second, Err: rpc.NewError(rpc.Unavailable, "no route")})
	events.ClientCallDone(observe.ClientCallDone{Method: echo, Took: time.Second, Attempts: 2, RequestBytes: 40, ReplyBytes: 30})
	// Output:
	// level=INFO msg="rpc: call" method=Echo.echo code=ok queue=40µs processing=1ms response=15µs request_bytes=120 reply_bytes=88 reply_raw_bytes=500
	// level=INFO msg="rpc: client call" method=Echo.echo code=unavailable took=1s error="unavailable: no route"
	// level=INFO msg="rpc: client call" method=Echo.echo code=ok took=1s attempts=2 request_bytes=40 reply_bytes=30
}

func ExampleWatchSlow() {
	events := observe.WatchSlow(observe.Events{
		SlowCall: func(s observe.SlowCall) { fmt.Printf("%s took %v, usually %v\n", s.MethodName(), s.Processing, s.Mean) },
	}, observe.SlowOptions{})
	for i := range 2000 {
		took := 2 * time.Millisecond
		if i == 1500 {
			took = time.Second
		}
		events.CallDone(observe.CallDone{Method: echo, Processing: took, Done: time.Unix(1e9, 0)})
	}
	// Output: Echo.echo took 1s, usually 2ms
}
