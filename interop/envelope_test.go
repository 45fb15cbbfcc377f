package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	apache "github.com/apache/thrift/lib/go/thrift"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// envelopeText is a struct with one string, of field 1 in arguments and of field 0 in results, for both libraries.
type envelopeText struct {
	id int16
	s  string
}

func (x *envelopeText) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(x.id, x.s)
	e.EndStruct(outer)
}

func (x *envelopeText) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.ID == x.id && f.Type == codec.String {
			x.s = d.String()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

func (x *envelopeText) Write(ctx context.Context, p apache.TProtocol) error {
	return errors.Join(
		p.WriteStructBegin(ctx, "text"),
		p.WriteFieldBegin(ctx, "s", apache.STRING, x.id), p.WriteString(ctx, x.s), p.WriteFieldEnd(ctx),
		p.WriteFieldStop(ctx), p.WriteStructEnd(ctx))
}

func (x *envelopeText) Read(ctx context.Context, p apache.TProtocol) error {
	if _, err := p.ReadStructBegin(ctx); err != nil {
		return err
	}
	for {
		_, typ, id, err := p.ReadFieldBegin(ctx)
		if err != nil {
			return err
		}
		if typ == apache.STOP {
			return p.ReadStructEnd(ctx)
		}
		if id != x.id || typ != apache.STRING {
			return fmt.Errorf("field %d of type %v", id, typ)
		}
		if x.s, err = p.ReadString(ctx); err != nil {
			return err
		}
		if err := p.ReadFieldEnd(ctx); err != nil {
			return err
		}
	}
}

// envelopeDialect is one dialect as each library is told to speak it.
type envelopeDialect struct {
	name       string
	ours       thrift.Dialect
	transports apache.TTransportFactory // nil: none
	protocols  apache.TProtocolFactory
	mux        bool // call the method as Echo:echo
}

func (d *envelopeDialect) protocol(t testing.TB, base apache.TTransport) apache.TProtocol {
	t.Helper()
	if d.transports != nil {
		var err error
		if base, err = d.transports.GetTransport(base); err != nil {
			t.Fatal(err)
		}
	}
	return d.protocols.GetProtocol(base)
}

func envelopeDialects() (all []envelopeDialect) {
	loose := &apache.TConfiguration{TBinaryStrictRead: apache.BoolPtr(false), TBinaryStrictWrite: apache.BoolPtr(false)}
	for _, mux := range []bool{false, true} {
		for _, p := range []struct {
			name    string
			enc     codec.Encoding
			strict  bool
			factory apache.TProtocolFactory
		}{
			{"binary", codec.Binary, true, apache.NewTBinaryProtocolFactoryConf(nil)},
			{"non-strict binary", codec.Binary, false, apache.NewTBinaryProtocolFactoryConf(loose)},
			{"compact", codec.Compact, false, apache.NewTCompactProtocolFactoryConf(nil)},
		} {
			all = append(all,
				envelopeDialect{"unframed " + p.name, thrift.Dialect{Encoding: p.enc, Strict: p.strict}, nil, p.factory, mux},
				envelopeDialect{"framed " + p.name, thrift.Dialect{Framed: true, Encoding: p.enc, Strict: p.strict},
					apache.NewTFramedTransportFactoryConf(apache.NewTTransportFactory(), nil), p.factory, mux})
		}
		for _, id := range []apache.THeaderProtocolID{apache.THeaderProtocolBinary, apache.THeaderProtocolCompact} {
			for _, zlib := range []bool{false, true} {
				conf := &apache.TConfiguration{THeaderProtocolID: &id}
				d := thrift.Dialect{Header: true, Encoding: codec.Encoding(id), Strict: true}
				name := "THeader " + d.Encoding.String()
				if zlib {
					name += " zlib"
					conf.THeaderTransforms = []apache.THeaderTransformID{apache.TransformZlib}
					d.Transforms = []thrift.Transform{thrift.Zlib}
				}
				all = append(all, envelopeDialect{name, d, nil, apache.NewTHeaderProtocolFactoryConf(conf), mux})
			}
		}
	}
	for i := range all {
		if all[i].mux {
			all[i].name += ", multiplexed"
		}
	}
	return all
}

// loopback is a transport of Apache's library whose other end is our server. What is written is answered on Flush.
type loopback struct {
	t        *testing.T
	out, in  bytes.Buffer
	dialect  *thrift.Dialect // once it is detected
	splitter *thrift.Splitter
	metadata string // of the last call
}

func (l *loopback) Open() error                              { return nil }
func (l *loopback) IsOpen() bool                             { return true }
func (l *loopback) Close() error                             { return nil }
func (l *loopback) Write(b []byte) (int, error)              { return l.out.Write(b) }
func (l *loopback) RemainingBytes() uint64                   { return uint64(l.in.Len()) }
func (l *loopback) SetTConfiguration(*apache.TConfiguration) {}

func (l *loopback) Read(b []byte) (int, error) {
	if l.in.Len() == 0 {
		return 0, io.EOF
	}
	return l.in.Read(b)
}

func (l *loopback) Flush(context.Context) error {
	b := l.out.Bytes()
	if l.dialect == nil && len(b) > 0 {
		det, need, err := thrift.Detect(b)
		if need > 0 || det.Kind != thrift.Thrift {
			l.t.Fatalf("Detect(%x) = %v, %d, %v", b, det.Kind, need, err)
		}
		l.dialect = &det.Dialect
		l.splitter = thrift.NewSplitter(l.dialect)
	}
	for len(b) > 0 {
		n, msg, err := l.splitter.Next(b)
		if err != nil {
			l.t.Fatal(err)
		}
		b = b[n:]
		if msg != nil {
			l.serve(msg)
		}
	}
	l.out.Reset()
	return nil
}

// serve runs methods echo, which returns its argument, and ping, which is oneway, of a service Echo.
func (l *loopback) serve(msg []byte) {
	c := new(rpc.Call)
	if err := l.dialect.ReadCall(msg, c); err != nil {
		l.t.Fatal(err)
	}
	if err := l.dialect.Open(c); err != nil {
		l.t.Fatal(err)
	}
	l.metadata = ""
	for k, v := range thrift.InfoHeaders(c.Metadata) {
		l.metadata += fmt.Sprintf("%s=%s ", k, v)
	}
	reply := rpc.Reply{}
	switch method := strings.TrimPrefix(c.Name, "Echo:"); method {
	case "echo", "ping":
		c.Handler = &rpc.Handler{Method: &rpc.Method{Name: method, Oneway: method == "ping"}}
		x := envelopeText{id: 1}
		d := codec.NewDecoder(c.Encoding, c.Body)
		if x.DecodeThrift(d); d.Err() != nil || d.Remaining() > 0 {
			l.t.Fatalf("%v, %d bytes left", d.Err(), d.Remaining())
		}
		x.id = 0
		reply.Result = &x
	default:
		reply.Err = &rpc.Error{Code: rpc.Unimplemented, Message: "no " + method, Execution: rpc.NotExecuted}
	}
	l.in.Write(l.dialect.AppendReply(nil, c, reply))
}

// Apache's client calls our server.
func TestEnvelopeApacheClient(t *testing.T) {
	for _, d := range envelopeDialects() {
		t.Run(d.name, func(t *testing.T) {
			conn := &loopback{t: t}
			in := d.protocol(t, conn)
			out := in
			if d.mux {
				out = apache.NewTMultiplexedProtocol(in, "Echo")
			}
			client := apache.NewTStandardClient(in, out)
			ctx := context.Background()
			if h, ok := in.(*apache.THeaderProtocol); ok && d.mux { // the client sets them itself only without multiplexing
				h.SetWriteHeader("trace-id", "42")
			} else {
				ctx = apache.SetWriteHeaderList(apache.SetHeader(ctx, "trace-id", "42"), []string{"trace-id"})
			}

			for _, s := range []string{"", "hi", strings.Repeat("0123456789", 20_000)} {
				result := envelopeText{id: 0}
				if _, err := client.Call(ctx, "echo", &envelopeText{1, s}, &result); err != nil || result.s != s {
					t.Fatalf("echo of %d bytes: %d bytes, %v", len(s), len(result.s), err)
				}
				if d.ours.Header && conn.metadata != "trace-id=42 " {
					t.Errorf("metadata %q", conn.metadata)
				}
				if _, err := client.Call(ctx, "ping", &envelopeText{1, s}, nil); err != nil || conn.in.Len() > 0 {
					t.Fatalf("ping: %v, answered with %x", err, conn.in.Bytes())
				}
			}
			_, err := client.Call(ctx, "nope", &envelopeText{1, ""}, &envelopeText{})
			var x apache.TApplicationException
			if !errors.As(err, &x) || x.TypeId() != apache.UNKNOWN_METHOD || x.Error() != "no nope" {
				t.Errorf("an unknown method gives %v", err)
			}
			if conn.dialect.Framed != d.ours.Framed && !d.ours.Header || conn.dialect.Header != d.ours.Header {
				t.Errorf("%v was detected", conn.dialect)
			}
		})
	}
}

// apacheEcho is a processor of Apache's for method echo.
type apacheEcho struct{ t *testing.T }

func (p apacheEcho) Process(ctx context.Context, in, out apache.TProtocol) (bool, apache.TException) {
	name, typ, seq, err := in.ReadMessageBegin(ctx)
	if err != nil {
		return false, apache.WrapTException(err)
	}
	args := envelopeText{id: 1}
	if err := errors.Join(args.Read(ctx, in), in.ReadMessageEnd(ctx)); err != nil {
		return false, apache.WrapTException(err)
	}
	if typ == apache.ONEWAY {
		return true, nil
	}
	if name == "echo" {
		args.id = 0
		err = errors.Join(out.WriteMessageBegin(ctx, name, apache.REPLY, seq), args.Write(ctx, out))
	} else {
		err = errors.Join(out.WriteMessageBegin(ctx, name, apache.EXCEPTION, seq),
			apache.NewTApplicationException(apache.UNKNOWN_METHOD, "no "+name).Write(ctx, out))
	}
	return true, apache.WrapTException(errors.Join(err, out.WriteMessageEnd(ctx), out.Flush(ctx)))
}

func (p apacheEcho) ProcessorMap() map[string]apache.TProcessorFunction  { return nil }
func (p apacheEcho) AddToProcessorMap(string, apache.TProcessorFunction) {}

// Our client calls Apache's server.
func TestEnvelopeApacheServer(t *testing.T) {
	for _, d := range envelopeDialects() {
		t.Run(d.name, func(t *testing.T) {
			request, response := apache.NewTMemoryBuffer(), apache.NewTMemoryBuffer()
			// As in Apache's servers a THeader protocol is one object for both directions, so that it answers in kind.
			both := &duplex{request, response}
			proto := d.protocol(t, both)
			var processor apache.TProcessor = apacheEcho{t}
			prefix := ""
			if d.mux {
				mux := apache.NewTMultiplexedProcessor()
				mux.RegisterProcessor("Echo", processor)
				processor, prefix = mux, "Echo:"
			}
			d.ours.Info = thrift.AppendInfo(nil, "trace-id", "42")
			splitter := thrift.NewSplitter(&d.ours)
			seq := int32(1<<31 - 2)

			call := func(m *rpc.Method, s string) (thrift.Reply, bool) {
				t.Helper()
				b, err := d.ours.AppendCall(nil, seq, prefix+m.Name, m, &envelopeText{1, s})
				if err != nil {
					t.Fatal(err)
				}
				request.Write(b)
				if ok, err := processor.Process(context.Background(), proto, proto); !ok {
					t.Fatalf("Apache's server does not understand %x: %v", b, err)
				}
				if h, ok := proto.(*apache.THeaderProtocol); ok && h.GetReadHeaders()["trace-id"] != "42" {
					t.Errorf("Apache's server reads the info headers %q", h.GetReadHeaders())
				}
				if response.Len() == 0 {
					return thrift.Reply{}, false
				}
				n, msg, err := splitter.Next(response.Bytes())
				if err != nil || n != response.Len() || msg == nil {
					t.Fatalf("splitting %x: %d, %x, %v", response.Bytes(), n, msg, err)
				}
				response.Reset()
				r, err := d.ours.ReadReply(msg)
				if err != nil || r.Seq != seq || string(r.Name) != m.Name {
					t.Fatalf("reply %+v, %v", r, err)
				}
				seq++ // over the highest one, too
				return r, true
			}
			for _, s := range []string{"", "hi", strings.Repeat("0123456789", 20_000)} {
				r, ok := call(&rpc.Method{Name: "echo"}, s)
				result := envelopeText{id: 0}
				if err := r.Decode(&result); !ok || err != nil || result.s != s {
					t.Fatalf("echo of %d bytes: %d bytes, %v", len(s), len(result.s), err)
				}
				if _, answered := call(&rpc.Method{Name: "ping", Oneway: true}, s); answered {
					t.Fatal("the message is not of type Oneway to Apache's server")
				}
			}
			r, _ := call(&rpc.Method{Name: "nope"}, "")
			var e *rpc.Error
			if err := r.Decode(&envelopeText{}); !errors.As(err, &e) || e.Code != rpc.Unimplemented || e.Message != "no nope" || e.Execution != rpc.NotExecuted {
				t.Errorf("an unknown method gives %v", err)
			}
		})
	}
}

// duplex reads from one buffer and writes to another.
type duplex struct{ in, out *apache.TMemoryBuffer }

func (d *duplex) Open() error                              { return nil }
func (d *duplex) IsOpen() bool                             { return true }
func (d *duplex) Close() error                             { return nil }
func (d *duplex) Read(b []byte) (int, error)               { return d.in.Read(b) }
func (d *duplex) Write(b []byte) (int, error)              { return d.out.Write(b) }
func (d *duplex) RemainingBytes() uint64                   { return d.in.RemainingBytes() }
func (d *duplex) Flush(context.Context) error              { return nil }
func (d *duplex) SetTConfiguration(*apache.TConfiguration) {}
