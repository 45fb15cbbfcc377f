package gen

import (
	"strings"

	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// binding prints NewXService, which makes an rpc.Service of an implementation.
func (e *emitter) binding(d *schema.Service, methods []*method) {
	name := e.names[part{d, roleBind}]
	e.P("// ", name, " makes impl a service that a server can register. The methods of impl may be called concurrently.")
	e.P("func ", name, "(impl ", e.names[d], ") *", e.rpc("Service"), " {")
	e.P("return &", e.rpc("Service"), "{")
	e.P("Name: ", quote(d.Name), ",")
	var ancestors []string
	for a := d.Extends; a != nil; a = a.Extends {
		ancestors = append(ancestors, quote(a.Name))
	}
	if len(ancestors) > 0 {
		e.P("Ancestors: []string{", strings.Join(ancestors, ", "), "},")
	}
	e.P("File: &", e.names[part{e.file, roleIDL}], ",")
	if len(methods) > 0 {
		e.P("Handlers: []", e.rpc("Handler"), "{")
		for _, m := range methods {
			e.handler(m)
		}
		e.P("},")
	}
	e.P("}")
	e.P("}")
	e.P()
}

// handler prints the rpc.Handler of a method.
func (e *emitter) handler(m *method) {
	params := e.names[part{m.serviceFunc, roleParams}]
	e.P("{")
	e.P("Method: &", e.names[part{m.serviceFunc, roleMethod}], ",")
	e.P("NewArgs: func() ", e.codec("Decodable"), " { return new(", params, ") },")
	args := make([]string, 0, len(m.Args)+1)
	args = append(args, "ctx")
	for i, f := range m.Args {
		if f.Type.Kind == schema.KindStruct {
			args = append(args, "&p."+m.members[i])
		} else {
			args = append(args, "p."+m.members[i])
		}
	}
	more := ", args " + e.codec("Decodable")
	field := "Invoke"
	if m.streaming() {
		field = "Open"
		more += ", s " + e.rpc("Stream")
		stream := e.names[part{m.serviceFunc, roleServerStream}] + "{s}"
		if m.in != nil {
			args = append(args, stream)
		}
		if m.out != nil {
			args = append(args, stream)
		}
	}
	call := "impl." + m.goName + "(" + strings.Join(args, ", ") + ")"
	e.P(field, ": func(ctx ", e.use("context"), ".Context", more, ") (", e.codec("Encodable"), ", error) {")
	if len(m.Args) > 0 {
		e.P("p := args.(*", params, ")")
	}
	if m.Oneway {
		e.P("return nil, ", call)
	} else {
		e.P("return ", e.names[part{m.serviceFunc, roleOutcome}], "(", call, ")")
	}
	e.P("},")
	e.P("},")
}

// outcomeFunc prints the function that turns what an implementation returns into what rpc.Handler wants.
func (e *emitter) outcomeFunc(m *method) {
	if m.Oneway {
		return
	}
	name, result := e.names[part{m.serviceFunc, roleOutcome}], e.names[part{m.serviceFunc, roleResult}]
	e.P("// ", name, " makes what ", m.goName, " returns on the server a reply.")
	params := "(err error)"
	if m.Result != nil {
		params = "(success " + e.argType(m.Result) + ", err error)"
	}
	e.P("func ", name, params, " (", e.codec("Encodable"), ", error) {")
	e.P("if err != nil {")
	if len(m.Throws) > 0 {
		e.P("r := new(", result, ")")
		for _, member := range m.throws {
			e.P("if ", e.use("errors"), ".As(err, &r.", member, ") && r.", member, " != nil {")
			e.P("return r, r.", member)
			e.P("}")
		}
	}
	e.P("return nil, err")
	e.P("}")
	switch {
	case m.Result == nil:
		e.P("return ", unless(e.resultByValue(m), "&"), result, "{}, nil")
	case m.Result.Kind == schema.KindStruct:
		e.P("if success == nil {")
		e.P("return nil, ", e.rpc("NewError"), "(", e.rpc("Internal"), ", ", quote(m.fullName()+" returned no result"), ")")
		e.P("}")
		fallthrough
	default:
		e.P("return ", unless(e.resultByValue(m), "&"), result, "{success: success}, nil")
	}
	e.P("}")
	e.P()
}

// deferral prints DeferXY, and the type of what it returns.
func (e *emitter) deferral(m *method) {
	fn, typ := e.names[part{m.serviceFunc, roleDefer}], e.names[part{m.serviceFunc, roleDeferral}]
	generic, maker := e.rpc("VoidDeferral"), e.rpc("DeferVoid")
	if m.Result != nil {
		generic, maker = e.rpc("DeferralOf")+"["+e.argType(m.Result)+"]", e.rpc("DeferOf")
	}
	e.P("// ", typ, " is the duty to answer a call of ", m.fullName(), ". It may be used from any goroutine, and must be used once.")
	e.P("type ", typ, " = ", generic)
	e.P()
	e.P("// ", fn, " makes the call of ", m.fullName(), " that ctx comes from one that is answered later; its implementation returns")
	e.P("// rpc.ErrDeferred then. See rpc.Defer.")
	e.P("func ", fn, "(ctx ", e.use("context"), ".Context) (*", typ, ", error) {")
	e.P("return ", maker, "(ctx, &", e.names[part{m.serviceFunc, roleMethod}], ", ", e.names[part{m.serviceFunc, roleOutcome}], ")")
	e.P("}")
	e.P()
}
