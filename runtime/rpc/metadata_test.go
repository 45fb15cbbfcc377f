package rpc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// listed returns metadata as "key=value" in order.
func listed(m rpc.Metadata) (list []string) {
	for k, v := range m.All() {
		list = append(list, k+"="+v)
	}
	return list
}

func outgoingOf(t *testing.T, ctx context.Context) []string {
	t.Helper()
	o, err := rpc.OutgoingFrom(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if o == nil {
		return nil
	}
	return listed(rpc.DecodeMetadata(o.Metadata))
}

func TestWithMetadata(t *testing.T) {
	ctx := context.Background()
	if o, err := rpc.OutgoingFrom(ctx); o != nil || err != nil {
		t.Errorf("an empty context says %v, %v", o, err)
	}
	a := rpc.WithMetadata(ctx, "tenant", "blue")
	b := rpc.WithMetadata(a, "tag", "x", "y")
	c := rpc.WithMetadata(a, "tag", "z") // the same parent twice: neither sees the other's
	var reply rpc.Metadata
	d := rpc.WithReplyMetadata(b, &reply)
	for _, tt := range []struct {
		name string
		ctx  context.Context
		want []string
	}{
		{"parent", a, []string{"tenant=blue"}},
		{"several values", b, []string{"tenant=blue", "tag=x", "tag=y"}},
		{"sibling", c, []string{"tenant=blue", "tag=z"}},
		{"with a reply", d, []string{"tenant=blue", "tag=x", "tag=y"}},
	} {
		if diff := cmp.Diff(tt.want, outgoingOf(t, tt.ctx)); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
	if o, _ := rpc.OutgoingFrom(d); o.Reply != &reply {
		t.Error("the reply's metadata has nowhere to go")
	}
	if o, _ := rpc.OutgoingFrom(rpc.WithMetadata(d, "more", "1")); o.Reply != &reply {
		t.Error("WithMetadata forgets WithReplyMetadata")
	}
}

func TestBadMetadataFailsTheCall(t *testing.T) {
	many := make([]string, rpc.MaxMetadataPairs+1)
	for _, tt := range []struct {
		name   string
		key    string
		values []string
		code   rpc.Code
	}{
		{"no key", "", []string{"v"}, rpc.InvalidArgument},
		{"upper case", "Tenant", []string{"v"}, rpc.InvalidArgument},
		{"a space", "a b", []string{"v"}, rpc.InvalidArgument},
		{"line feed", "k", []string{"a\nb"}, rpc.InvalidArgument},
		{"carriage return", "k", []string{"a\rb"}, rpc.InvalidArgument},
		{"NUL", "k", []string{"a\x00b"}, rpc.InvalidArgument},
		{"too many pairs", "k", many, rpc.ResourceExhausted},
		{"too many bytes", "k", []string{strings.Repeat("v", rpc.MaxMetadata)}, rpc.ResourceExhausted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := rpc.WithMetadata(context.Background(), tt.key, tt.values...)
			ctx = rpc.WithMetadata(ctx, "good", "later") // which does not heal it
			_, err := rpc.OutgoingFrom(ctx)
			var e *rpc.Error
			if !errors.As(err, &e) || e.Code != tt.code || e.Execution != rpc.NotExecuted {
				t.Errorf("got %v, want %v", err, tt.code)
			}
		})
	}
}

// TestMetadataIsWires checks that both packages keep the same rules: wire takes the pairs that Add takes, byte for byte,
// and refuses those that Add refuses.
func TestMetadataIsWires(t *testing.T) {
	if rpc.MaxMetadata != wire.MaxMetadata || rpc.MaxMetadataPairs != wire.MaxMetadataPairs {
		t.Error("the limits differ")
	}
	parse := func(encoded []byte) (wire.CallHeader, error) {
		h := wire.CallHeader{Method: []byte("S.m"), CallOptions: wire.CallOptions{Metadata: encoded}}
		return wire.ParseCallHeader(wire.AppendCallHeader(nil, &h))
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 2000 {
		var m rpc.Metadata
		for range rnd.IntN(rpc.MaxMetadataPairs + 2) {
			key := strings.Repeat("k", 1+rnd.IntN(3))
			value := strings.Repeat("v", rnd.IntN(300))
			switch rnd.IntN(1000) {
			case 0:
				key = ""
			case 1:
				key += string(rune(rnd.IntN(256)))
			case 2:
				value += string(rune(rnd.IntN(16)))
			}
			before := m.Encoded()
			err := m.Add(key, value)
			if err == nil {
				continue
			}
			refused++
			b := binary.AppendUvarint(before[:len(before):len(before)], uint64(len(key)))
			b = binary.AppendUvarint(append(b, key...), uint64(len(value)))
			if _, werr := parse(append(b, value...)); werr == nil { // the codes differ if two rules are broken
				t.Fatalf("%q=%q after %d bytes: %v, and fine with wire", key, value, len(before), err)
			}
		}
		h, err := parse(m.Encoded())
		if err != nil || string(h.Metadata) != string(m.Encoded()) {
			t.Fatalf("encoded as\n%q, by wire\n%q, %v", m.Encoded(), h.Metadata, err)
		}
		back := rpc.DecodeMetadata(h.Metadata)
		if back.Len() != m.Len() {
			t.Fatalf("%d pairs became %d", m.Len(), back.Len())
		}
		if diff := cmp.Diff(listed(m), listed(back)); diff != "" {
			t.Fatal(diff)
		}
	}
	if refused < 100 {
		t.Errorf("only %d pairs were refused", refused)
	}
}

func TestDecodeBrokenMetadata(t *testing.T) {
	var m rpc.Metadata
	for i := range 3 {
		if err := m.Add(fmt.Sprint("k", i), "value"); err != nil {
			t.Fatal(err)
		}
	}
	whole := m.Encoded()
	one := len(whole) / 3
	for cut := range len(whole) + 1 {
		got := rpc.DecodeMetadata(whole[:cut])
		if got.Len() != cut/one || len(got.Encoded()) != got.Len()*one {
			t.Errorf("the first %d of %d bytes: %d pairs in %d bytes", cut, len(whole), got.Len(), len(got.Encoded()))
		}
	}
	long := []byte{0x81, 0x00, 'k', 0x00} // a length in more bytes than it needs
	if got := rpc.DecodeMetadata(long); got.Len() != 0 {
		t.Errorf("took %q", got.Encoded())
	}
}

func TestMetadataInHandler(t *testing.T) {
	var in rpc.Metadata
	for _, v := range []string{"a", "b"} {
		if err := in.Add("k", v); err != nil {
			t.Fatal(err)
		}
	}
	call := &rpc.Call{Metadata: in.Encoded()}
	ctx := call.Context()
	m := rpc.MetadataFrom(ctx)
	if v, ok := m.Get("k"); v != "a" || !ok {
		t.Errorf("first value: %q, %v", v, ok)
	}
	if _, ok := m.Get("other"); ok {
		t.Error("there is no such key")
	}
	if diff := cmp.Diff([]string{"a", "b"}, m.Values("k")); diff != "" {
		t.Error(diff)
	}
	if o, err := rpc.OutgoingFrom(ctx); o != nil || err != nil {
		t.Errorf("what came in goes out again: %v, %v", o, err)
	}
	if call.ReplyMetadata() != nil {
		t.Error("a reply has metadata that nobody set")
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if err := rpc.SetReplyMetadata(ctx, "n", fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := rpc.DecodeMetadata(call.ReplyMetadata()); got.Len() != 10 {
		t.Errorf("%d pairs, want 10", got.Len())
	}
	if err := rpc.SetReplyMetadata(ctx, "Bad", ""); rpc.CodeOf(err) != rpc.InvalidArgument {
		t.Errorf("a bad key: %v", err)
	}
	if err := rpc.SetReplyMetadata(context.Background(), "k", "v"); rpc.CodeOf(err) != rpc.FailedPrecondition {
		t.Errorf("outside a handler: %v", err)
	}
	if m := rpc.MetadataFrom(context.Background()); m.Len() != 0 {
		t.Errorf("outside a handler: %d pairs", m.Len())
	}
}
