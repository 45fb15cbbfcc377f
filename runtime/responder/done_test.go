package responder

import (
	"bytes"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// watched returns a responder, and where its calls' ends are told.
func watched(t *testing.T, o Options) (*Responder, *[]observe.CallDone) {
	t.Helper()
	told := new([]observe.CallDone)
	o.Events.CallDone = func(c observe.CallDone) { *told = append(*told, c) }
	return newResponder(t, newConn(), o), told
}

func retries(told []observe.CallDone) (list []uint32) {
	for _, c := range told {
		list = append(list, c.Retry)
	}
	return list
}

// Calls are told of when their replies have been written, not before, each once and in order; bytes that are no reply
// do not confuse the count.
func TestCallDone(t *testing.T) {
	r, told := watched(t, Options{})
	big := bytes.Repeat([]byte("x"), shareLimit+1)
	reply := func(n uint32, b []byte) {
		c := call(b)
		c.Retry = n
		r.Reply(c, rpc.Reply{})
	}
	r.Send([]byte("preamble"))
	reply(1, []byte("small"))
	reply(2, big)
	r.Send([]byte("pong"))
	reply(3, []byte("small again"))
	if len(*told) != 0 {
		t.Fatalf("told of %v before anything was written", retries(*told))
	}
	for step, want := range []int{1, 2, 3} { // the first batch, the big one, the second batch
		if n := len(r.Next(1)); n != 1 {
			t.Fatalf("step %d: %d buffers", step, n)
		}
		if len(*told) != want-1 {
			t.Fatalf("step %d: told of %v before Written", step, retries(*told))
		}
		r.Written()
		if len(*told) != want {
			t.Fatalf("step %d: told of %v after Written, want %d calls", step, retries(*told), want)
		}
	}
	for i, c := range *told {
		if c.Retry != uint32(i+1) || c.Unsent {
			t.Errorf("call %d: %+v", i, c)
		}
	}
	if sizes := [3]int{(*told)[0].ReplyBytes, (*told)[1].ReplyBytes, (*told)[2].ReplyBytes}; sizes != [3]int{5, len(big), 11} {
		t.Errorf("replies of %v bytes", sizes)
	}
	if len(r.endings.list) != 0 {
		t.Errorf("%d endings are left", len(r.endings.list))
	}
	r.Close()
	if len(*told) != 3 {
		t.Errorf("told again when the connection ended: %v", retries(*told))
	}
}

func TestWhatCallDoneSays(t *testing.T) {
	r, told := watched(t, Options{})
	peer := &rpc.Peer{Address: "there"}
	method := &rpc.Method{FullName: "Echo.echo"}
	trace := rpc.TraceContext{TraceID: [16]byte{1}, SpanID: [8]byte{2}, Flags: 1}
	received := time.Now().Add(-time.Second)
	c := call([]byte("reply"))
	c.Handler, c.Peer, c.Received, c.Size, c.Body = &rpc.Handler{Method: method}, peer, received, 10, make([]byte, 40)
	c.Queue, c.Processing, c.Trace = time.Millisecond, 2*time.Millisecond, rpc.AppendTraceContext(nil, trace)
	failure := rpc.NewError(rpc.NotFound, "gone")
	r.Reply(c, rpc.Reply{Err: failure})
	r.Next(100)
	r.Written()
	got := (*told)[0]
	if got.Method != method || got.Name != "" || got.Peer != peer || got.Err != failure || got.Trace != trace || !got.Received.Equal(received) ||
		got.Queue != time.Millisecond || got.Processing != 2*time.Millisecond || got.Response < 0 || got.Response > time.Minute ||
		got.RequestBytes != 10 || got.RequestRawBytes != 40 || got.ReplyBytes != 5 || got.Done.Before(received) {
		t.Errorf("a call that was run: %+v", got)
	}

	// Refused by the reader, before it was counted.
	refused := call([]byte("no"))
	refused.Name, refused.Body = "made.up", make([]byte, 7)
	r.Reply(refused, rpc.Reply{Err: rpc.NewError(rpc.Unimplemented, "no such method")})
	// Refused by the handler, a second after it came.
	late := call([]byte("no"))
	late.Received, late.Size, late.Body = received, 3, make([]byte, 3)
	r.Reply(late, rpc.Reply{Err: rpc.Busy("full")})
	// And one that nobody waits for.
	oneway := call(nil)
	oneway.Oneway, oneway.Processing = true, time.Second
	r.Reply(oneway, rpc.Reply{})
	if len(*told) != 2 || !(*told)[1].Oneway || (*told)[1].Response != 0 || (*told)[1].Unsent || (*told)[1].Processing != time.Second {
		t.Fatalf("a oneway call: %+v", *told)
	}
	r.Next(100)
	r.Written()
	if got := (*told)[2]; got.Method != nil || got.Name != "made.up" || got.MethodName() != observe.Other || got.RequestBytes != 7 || got.Queue != 0 || got.Received.IsZero() {
		t.Errorf("an unknown method: %+v", got)
	}
	if got := (*told)[3]; got.Queue < time.Second || got.Code() != rpc.ResourceExhausted {
		t.Errorf("refused late: %+v", got)
	}
}

// A call whose reply is lost is told of, too.
func TestUnsent(t *testing.T) {
	r, told := watched(t, Options{MaxPending: 30})
	r.Reply(call([]byte("written")), rpc.Reply{})
	r.Next(100)
	r.Written()
	r.Reply(call([]byte("pending")), rpc.Reply{})
	r.Reply(call(make([]byte, 31)), rpc.Reply{}) // more than may be pending: the connection is given up
	r.Reply(call([]byte("late")), rpc.Reply{})
	r.Close()
	if len(*told) != 4 {
		t.Fatalf("told of %d calls, want 4", len(*told))
	}
	for i, c := range *told {
		if c.Unsent != (i > 0) || c.Unsent && c.ReplyBytes != 0 {
			t.Errorf("call %d: unsent %v, %d bytes", i, c.Unsent, c.ReplyBytes)
		}
	}

	r, told = watched(t, Options{})
	r.Reply(call([]byte("pending")), rpc.Reply{})
	r.Close()
	r.Reply(call([]byte("late")), rpc.Reply{})
	if len(*told) != 2 || !(*told)[0].Unsent || !(*told)[1].Unsent {
		t.Errorf("after the connection's end: %+v", *told)
	}
}

func TestEventsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("pools drop things at random under the race detector")
	}
	for name, o := range map[string]Options{"without": {}, "with": {Events: observe.Events{CallDone: func(observe.CallDone) {}}}} {
		r := newResponder(t, newConn(), o)
		b := []byte("reply")
		run := func() {
			c := call(b)
			c.Oneway = false
			r.Reply(c, rpc.Reply{})
			r.Next(1 << 10)
			r.Written()
		}
		run()
		const own = 2 // the call and its dialect
		if n := testing.AllocsPerRun(500, run); n > own {
			t.Errorf("%s events: %v allocations, want %d", name, n, own)
		}
	}
}
