package wire

import (
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestAdviceAndStagesTravel(t *testing.T) {
	for _, want := range []rpc.Error{
		{Code: rpc.ResourceExhausted, Message: "busy", Execution: rpc.NotExecuted, Advice: rpc.AdviceRetry},
		{Code: rpc.Unavailable, Message: "standby", Execution: rpc.NotExecuted, Advice: rpc.AdviceFailover},
		{Code: rpc.DeadlineExceeded, Message: "late", Execution: rpc.Executed, Stages: rpc.Stages{ServerQueue: time.Hour, Handler: time.Millisecond}},
		{Code: rpc.DeadlineExceeded, Message: "late", Execution: rpc.NotExecuted, Stages: rpc.Stages{ServerQueue: time.Second}},
		{Code: rpc.DeadlineExceeded, Message: "both", Advice: rpc.AdviceRetry, Stages: rpc.Stages{Handler: time.Second}},
	} {
		got := ParseError(AppendError(nil, 1, &want)[FrameHeaderSize:])
		want.Remote = true
		if *got != want {
			t.Errorf("%+v became %+v", want, *got)
		}
	}
}

// What only the client knows stays there, and what a clock that went backwards made is no time.
func TestStagesThatDoNotTravel(t *testing.T) {
	e := &rpc.Error{Code: rpc.DeadlineExceeded, Stages: rpc.Stages{Dial: 1, Wire: 1, ServerQueue: -time.Second, Handler: time.Second}}
	if got := ParseError(AppendError(nil, 1, e)[FrameHeaderSize:]); got.Stages != (rpc.Stages{Handler: time.Second}) {
		t.Errorf("got %+v", got.Stages)
	}
}

// Hints that cannot be read are left out; the error itself counts.
func TestBrokenErrorOptions(t *testing.T) {
	plain := AppendError(nil, 1, &rpc.Error{Code: rpc.NotFound, Message: "m", Execution: rpc.Executed})[FrameHeaderSize:]
	for name, option := range map[string][]byte{
		"unknown advice":      {byte(TagAdvice), 1, 3},
		"empty advice":        {byte(TagAdvice), 0},
		"long advice":         {byte(TagAdvice), 2, 0x81, 0},
		"one stage":           {byte(TagStages), 1, 5},
		"three stages":        {byte(TagStages), 3, 5, 5, 5},
		"a stage of ages":     {byte(TagStages), 11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 5},
		"unknown even option": {200, 1, 1},
	} {
		got := ParseError(append(append([]byte(nil), plain...), option...))
		if want := (rpc.Error{Code: rpc.NotFound, Message: "m", Execution: rpc.Executed, Remote: true}); *got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, options := range map[string][]byte{"odd": {201, 0}, "twice": {byte(TagAdvice), 1, 1, byte(TagAdvice), 1, 1}, "cut off": {byte(TagAdvice), 5, 1}} {
		if got := ParseError(append(append([]byte(nil), plain...), options...)); got.Remote || got.Code != rpc.Internal {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestCallNumberTravels(t *testing.T) {
	for _, n := range []uint64{0, 1, 1 << 40, 1<<64 - 1} {
		h, err := ParseCallHeader(AppendCallHeader(nil, &CallHeader{Method: []byte("A.b"), CallOptions: CallOptions{Number: n}}))
		if err != nil || h.Number != n {
			t.Errorf("%d became %d: %v", n, h.Number, err)
		}
	}
	b := append(AppendCallHeader(nil, &CallHeader{Method: []byte("A.b")}), byte(TagNumber), 1, 0)
	if _, err := ParseCallHeader(b); err == nil || rpc.CodeOf(err) != rpc.InvalidArgument {
		t.Errorf("number 0: %v", err)
	}
}
