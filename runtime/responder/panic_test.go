package responder

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// fragile panics when it is encoded.
type fragile struct{}

func (fragile) EncodeThrift(*codec.Encoder) { panic("secret") }

// strict is a dialect that encodes results, and writes an error as its text.
type strict struct{}

func (strict) Open(*rpc.Call) error { return nil }
func (strict) AppendReply(dst []byte, _ *rpc.Call, r rpc.Reply) []byte {
	if r.Err != nil {
		return append(dst, r.Err.Error()...)
	}
	dst = append(dst, "half a"...)
	e := codec.NewEncoder(codec.Binary, dst)
	r.Result.EncodeThrift(e)
	return e.Bytes()
}

func TestEncodingPanics(t *testing.T) {
	var log strings.Builder
	r := newResponder(t, newConn(), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	method := &rpc.Method{FullName: "Test.run"}
	r.Reply(&rpc.Call{Dialect: strict{}, Handler: &rpc.Handler{Method: method}}, rpc.Reply{Result: fragile{}})
	got := bytes.Join(r.Next(1<<20), nil)
	if string(got) != "internal: encoding the result panicked" {
		t.Errorf("sent %q", got)
	}
	if s := log.String(); !strings.Contains(s, "secret") || !strings.Contains(s, "Test.run") {
		t.Errorf("log: %q", s)
	}
}
