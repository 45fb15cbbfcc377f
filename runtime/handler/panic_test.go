package handler

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// As a test's FailNow does inside an implementation. The single worker must survive it.
func TestHandlerEndsItsGoroutine(t *testing.T) {
	const calls = 20
	to := newReplies(calls)
	var log strings.Builder
	h := start(t, register(t, func(_ context.Context, args *number) (codec.Encodable, error) {
		if args.n%2 == 1 {
			runtime.Goexit()
		}
		return args, nil
	}), Options{Workers: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for id := range uint64(calls) {
		h.Dispatch([]*rpc.Call{call(id, int64(id), to)})
	}
	for range calls {
		<-to.c
	}
	for id := range uint64(calls) {
		r, _ := to.get(id)
		if id%2 == 0 {
			if r.Err != nil {
				t.Errorf("call %d: %v", id, r.Err)
			}
		} else if r.Err == nil || r.Err.Code != rpc.Internal || r.Err.Execution != rpc.Executed || !strings.Contains(r.Err.Message, "ended its goroutine") {
			t.Errorf("call %d: %+v", id, r)
		}
	}
	if n := h.Close(context.Background()); n != 0 {
		t.Errorf("%d workers after Close", n)
	}
	if !strings.Contains(log.String(), "ended its goroutine") {
		t.Errorf("log: %q", log.String())
	}
}

// fragile panics when it is decoded.
type fragile struct{ number }

func (*fragile) DecodeThrift(d *codec.Decoder) {
	d.BeginStruct()
	panic("secret")
}

func TestDecodingPanics(t *testing.T) {
	var log strings.Builder
	reg := register(t, square)
	target, err := reg.LookupThrift("run")
	if err != nil {
		t.Fatal(err)
	}
	breaks := *target
	breaks.NewArgs = func() codec.Decodable { return new(fragile) }
	to := newReplies(2)
	h := start(t, reg, Options{Workers: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	broken := call(1, 1, to)
	broken.Handler = &breaks
	h.Dispatch([]*rpc.Call{broken, call(2, 9, to)}) // the second on the same worker, whose decoder must be sound
	h.Close(context.Background())
	if r := to.by[1]; r.Err == nil || r.Err.Code != rpc.Internal || r.Err.Execution != rpc.NotExecuted || strings.Contains(r.Err.Message, "secret") {
		t.Errorf("got %+v", r)
	}
	if r := to.by[2]; r.Err != nil || r.Result.(*number).n != 81 {
		t.Errorf("got %+v", r)
	}
	if s := log.String(); !strings.Contains(s, "secret") || !strings.Contains(s, "decoding the arguments panicked") {
		t.Errorf("log: %q", log.String())
	}
}
