package reader

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

func TestSnapshot(t *testing.T) {
	b := newBench(t, nil)
	opened, peer := b.clock, b.session.peer
	b.clock = b.clock.Add(time.Hour)
	check := func(name string, want Snapshot) {
		t.Helper()
		want.Peer, want.Opened = peer, opened
		if diff := cmp.Diff(want, b.session.Snapshot()); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	check("nothing", Snapshot{Protocol: "unknown"})
	b.feed(preamble())
	check("preamble", Snapshot{Protocol: "native"})
	b.feed(append(nativeCall(t, 1, "one", nil), nativeCall(t, 2, "two", nil)...))
	size := b.calls[0].Size
	check("two calls", Snapshot{Protocol: "native", Calls: 2, Bytes: 2 * size})
	b.answer(b.calls[0])
	peer = &rpc.Peer{Network: "mem", Identity: rpc.Identity{Kind: rpc.IdentitySCRAM, Name: "ada"}}
	b.session.SetPeer(peer)
	check("answered, and logged in", Snapshot{Protocol: "native", Calls: 1, Bytes: size})

	b = newBench(t, nil)
	opened, peer = b.clock, b.session.peer
	msg, err := (&thrift.Dialect{Framed: true, Strict: true}).AppendCall(nil, 1, "echo", echo, &word{"x"})
	if err != nil {
		t.Fatal(err)
	}
	b.feed(msg)
	check("Thrift", Snapshot{Protocol: "thrift", Calls: 1, Bytes: b.calls[0].Size})
}

// What the header says about a call is found in the Call, also in one that is refused.
func TestCallHeader(t *testing.T) {
	trace := rpc.AppendTraceContext(nil, rpc.TraceContext{TraceID: [16]byte{1}, SpanID: [8]byte{2}, Flags: 1})
	b := newBench(t, nil)
	b.feed(preamble())
	b.feed(nativeCall(t, 1, "x", &wire.CallOptions{Trace: trace, Retry: 2, Number: 77}))
	if c := b.calls[0]; !bytes.Equal(c.Trace, trace) || c.Retry != 2 || c.Number != 77 {
		t.Errorf("trace %x, attempt %d of call %d", c.Trace, c.Retry, c.Number)
	}
	b.feed(nativeCall(t, 2, "x", nil))
	if c := b.calls[1]; c.Trace != nil || c.Number != 0 {
		t.Errorf("a plain call has trace %x, number %d", c.Trace, c.Number)
	}
	unknown := &rpc.Method{FullName: "Test.gone"}
	frame, err := new(wire.Dialect).AppendCall(nil, 3, unknown, &word{"x"}, &wire.CallOptions{Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	var refused *rpc.Call
	b.session.out = keeper{b, &refused}
	b.feed(frame)
	if refused == nil || refused.Name != "Test.gone" || refused.Handler != nil || refused.Received != b.clock || !bytes.Equal(refused.Trace, trace) {
		t.Errorf("a call of an unknown method: %+v", refused)
	}
}

// keeper keeps the calls that a session answers itself.
type keeper struct {
	*bench
	call **rpc.Call
}

func (k keeper) Reply(c *rpc.Call, _ rpc.Reply) { *k.call = c }
