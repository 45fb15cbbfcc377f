package gen

import (
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// streams takes the streams out of a function: what is left has an argument fewer, or no result, and is otherwise like
// any other. in and out are the elements of what the client sends and of what the server sends; nil if it sends none.
func streams(f *schema.Function) (rest *schema.Function, in, out *schema.Type) {
	plain := *f
	if f.Result != nil && f.Result.Kind == schema.KindStream {
		out, plain.Result = f.Result.Elem, nil
	}
	if n := len(f.Args); n > 0 && f.Args[n-1].Type.Kind == schema.KindStream { // it is the last, or the schema would be wrong
		in, plain.Args = f.Args[n-1].Type.Elem, f.Args[:n-1]
	}
	if in == nil && out == nil {
		return f, nil, nil
	}
	return &plain, in, out
}

func (m *method) streaming() bool { return m.in != nil || m.out != nil }

// streamMode returns the rpc.StreamMode of a method.
func (e *emitter) streamMode(m *method) string {
	switch {
	case m.in == nil:
		return e.rpc("StreamResult")
	case m.out == nil:
		return e.rpc("StreamArgs")
	}
	return e.rpc("StreamBoth")
}

// serverSignature returns the parameters and results of a method as a server implements it.
func (e *emitter) serverSignature(m *method) string {
	params := e.parameters(m)
	params = params[:len(params)-1]
	if m.in != nil {
		params += ", " + m.inName + " " + e.rpc("RecvStream") + "[" + e.argType(m.in) + "]"
	}
	if m.out != nil {
		name := "out"
		for strings.Contains(params, " "+name+" ") {
			name += "_"
		}
		params += ", " + name + " " + e.rpc("SendStream") + "[" + e.argType(m.out) + "]"
	}
	return params + ") " + e.results(m)
}

// enveloped reports whether messages of a type travel as the only field of a struct.
func enveloped(t *schema.Type) bool {
	return t != nil && t.Kind != schema.KindStruct && t.Kind != schema.KindBinary
}

// serverStream prints what an implementation gets for the streams of a method.
func (e *emitter) serverStream(m *method) {
	name := e.names[part{m.serviceFunc, roleServerStream}]
	e.P("// ", name, " is the server's side of the streams of ", m.goName, ".")
	e.P("type ", name, " struct{ stream ", e.rpc("Stream"), " }")
	e.P()
	if m.in != nil {
		e.recvMethod(m, name, m.in, roleIn)
		if m.in.Kind == schema.KindStruct {
			e.recvIntoMethod(name, m.in)
		}
	}
	if m.out != nil {
		e.sendMethod(m, name, m.out, roleOut)
	}
}

// openMethod prints a client's method for a method with streams, and the type that it returns.
func (e *emitter) openMethod(client string, m *method) {
	name := e.names[part{m.serviceFunc, roleStream}]
	doc := m.Function.Doc
	if doc == "" {
		doc = m.goName + " opens a stream of " + m.fullName() + "."
	}
	e.doc(doc+"\n\nThe stream must be ended, by Finish, by Cancel or by the end of ctx, which governs all of it.", m.Function.Annotations)
	e.P("func (c *", client, ") ", m.goName, e.parameters(m), " (*", name, ", error) {")
	e.P("s, err := ", e.rpc("OpenStream"), "(ctx, c.caller, &", e.names[part{m.serviceFunc, roleMethod}], ", ", e.argsLiteral(m), ")")
	e.P("if err != nil {")
	e.P("return nil, err")
	e.P("}")
	e.P("return &", name, "{s}, nil")
	e.P("}")
	e.P()

	how := "One goroutine at a time may receive."
	switch {
	case m.in != nil && m.out != nil:
		how = "One goroutine at a time may send, and one receive."
	case m.in != nil:
		how = "One goroutine at a time may send."
	}
	e.P("// ", name, " is the client's side of a call of ", m.goName, ". ", how)
	e.P("type ", name, " struct{ stream ", e.rpc("ClientStream"), " }")
	e.P()
	if m.in != nil {
		e.P("// Send sends a message. It waits, as long as ctx allows, while the server does not keep up; m may be changed when it")
		e.P("// returns. It returns io.EOF if the server has replied already: then Finish says what.")
		e.sendMethod(m, "*"+name, m.in, roleIn)
		e.P("// CloseSend tells the server that no more messages follow.")
		e.P("func (s *", name, ") CloseSend(ctx ", e.use("context"), ".Context) error { return s.stream.CloseSend(ctx) }")
		e.P()
	}
	if m.out != nil {
		e.P("// Recv waits for the next message, as long as ctx allows. It returns io.EOF after the last one: then Finish says how")
		e.P("// the call has ended.")
		e.recvMethod(m, "*"+name, m.out, roleOut)
		if m.out.Kind == schema.KindStruct {
			e.P("// RecvInto is Recv into m, all of which it replaces. It ends the use of each []byte that an earlier RecvInto of this")
			e.P("// stream has decoded: their memory is used again. See rpc.Stream.")
			e.recvIntoMethod("*"+name, m.out)
		}
	}
	e.finishMethod(m, name)
	e.P("// Cancel gives the stream up. After the end of the stream it does nothing. It may be called at any time.")
	e.P("func (s *", name, ") Cancel() { s.stream.Cancel() }")
	e.P()
}

// finishMethod prints the Finish of a client's stream.
func (e *emitter) finishMethod(m *method, name string) {
	reply := e.names[part{m.serviceFunc, roleReply}]
	what := "whether the call has succeeded"
	if m.Result != nil {
		what = "the call's result"
	}
	e.P("// Finish ends the stream in good order, drops what has not been received, and returns ", what, ".")
	e.P("func (s *", name, ") Finish(ctx ", e.use("context"), ".Context) ", e.results(m), " {")
	if m.outcomes() == 0 {
		e.P("return s.stream.Finish(ctx, new(", reply, "))")
	} else {
		e.P("r := new(", reply, ")")
		e.P("if err := s.stream.Finish(ctx, r); err != nil {")
		if m.Result == nil {
			e.P("return err")
		} else {
			e.P("return ", e.zero(m.Result), ", err")
		}
		e.P("}")
		e.P("return r.outcome()")
	}
	e.P("}")
	e.P()
}

// sendMethod prints the Send of a stream type.
func (e *emitter) sendMethod(m *method, receiver string, t *schema.Type, elem role) {
	e.P("func (s ", receiver, ") Send(ctx ", e.use("context"), ".Context, m ", e.argType(t), ") error {")
	switch {
	case t.Kind == schema.KindStruct:
		e.P("if m == nil {")
		e.P("return ", e.rpc("NewError"), "(", e.rpc("InvalidArgument"), ", ", quote(m.fullName()+": a message is nil"), ")")
		e.P("}")
		e.P("return s.stream.Send(ctx, m)")
	case t.Kind == schema.KindBinary:
		e.P("return s.stream.SendBytes(ctx, m)")
	default:
		e.P("return s.stream.Send(ctx, &", e.names[part{m.serviceFunc, elem}], "{m})")
	}
	e.P("}")
	e.P()
}

// recvMethod prints the Recv of a stream type.
func (e *emitter) recvMethod(m *method, receiver string, t *schema.Type, elem role) {
	e.P("func (s ", receiver, ") Recv(ctx ", e.use("context"), ".Context) (", e.argType(t), ", error) {")
	switch {
	case t.Kind == schema.KindStruct:
		e.P("m := new(", e.goType(t), ")")
		e.P("if err := s.stream.Recv(ctx, m); err != nil {")
		e.P("return nil, err")
		e.P("}")
		e.P("return m, nil")
	case t.Kind == schema.KindBinary:
		e.P("return s.stream.RecvBytes(ctx)")
	default:
		e.P("m := new(", e.names[part{m.serviceFunc, elem}], ")")
		e.P("if err := s.stream.Recv(ctx, m); err != nil {")
		e.P("return ", e.zero(t), ", err")
		e.P("}")
		e.P("return m.value, nil")
	}
	e.P("}")
	e.P()
}

// recvIntoMethod prints the RecvInto of a stream type for structs.
func (e *emitter) recvIntoMethod(receiver string, t *schema.Type) {
	e.P("func (s ", receiver, ") RecvInto(ctx ", e.use("context"), ".Context, m ", e.argType(t), ") error {")
	e.P("return s.stream.RecvInto(ctx, m)")
	e.P("}")
	e.P()
}

// elements prints the structs that messages travel in which are not structs themselves.
func (e *emitter) elements(m *method) {
	if enveloped(m.in) {
		e.element(m, m.in, roleIn)
	}
	if enveloped(m.out) {
		e.element(m, m.out, roleOut)
	}
}

func (e *emitter) element(m *method, t *schema.Type, elem role) {
	name := e.names[part{m.serviceFunc, elem}]
	f := &schema.Field{ID: 1, Name: "value", Type: t, Requiredness: idl.RequirednessRequired}
	e.P("// ", name, " is what a message of ", m.goName, " travels in.")
	e.P("type ", name, " struct{ value ", e.goType(t), " }")
	e.P()
	e.P("func (m *", name, ") EncodeThrift(e *", e.codec("Encoder"), ") {")
	e.P("outer := e.BeginStruct()")
	e.encodeField(f, "m.value", false)
	e.P("e.EndStruct(outer)")
	e.P("}")
	e.P()
	e.P("func (m *", name, ") DecodeThrift(d *", e.codec("Decoder"), ") {")
	e.decodeFields("a message of "+m.fullName(), []target{{f, nil, "m.value", "Value"}})
	e.P("}")
	e.P()
}
