package gen

import (
	"slices"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// client prints XClient, its constructor, and both forms of every method.
func (e *emitter) client(d *schema.Service, methods []*method) {
	name, constructor := e.names[part{d, roleClient}], e.names[part{d, roleDial}]
	e.P("// ", name, " calls ", article(e.names[d]), " elsewhere. It may be used concurrently.")
	e.P("type ", name, " struct{ caller ", e.rpc("Caller"), " }")
	e.P()
	if !slices.ContainsFunc(methods, (*method).streaming) { // else its methods for streams differ from the server's
		e.P("var _ ", e.names[d], " = (*", name, ")(nil)")
		e.P()
	}
	e.P("// ", constructor, " returns a client that sends its calls through caller.")
	e.P("func ", constructor, "(caller ", e.rpc("Caller"), ") *", name, " { return &", name, "{caller} }")
	e.P()
	for _, m := range methods {
		if m.streaming() {
			e.openMethod(name, m)
			continue
		}
		e.syncMethod(name, m)
		e.asyncMethod(name, m)
	}
}

// argsLiteral returns the arguments of a call as a value to send.
func (e *emitter) argsLiteral(m *method) string {
	return unless(e.argsByValue(m), "&") + e.names[part{m.serviceFunc, roleArgs}] + "{" + strings.Join(m.names, ", ") + "}"
}

func (e *emitter) syncMethod(client string, m *method) {
	doc := m.Function.Doc
	if doc == "" {
		doc = m.goName + " calls " + m.fullName() + " and waits for its result."
		if m.Oneway {
			doc = m.goName + " sends a call of " + m.fullName() + ", which has no reply."
		}
	}
	e.doc(doc, m.Function.Annotations)
	e.P("func (c *", client, ") ", m.goName, e.signature(m), " {")
	call := "c.caller.Call(ctx, &" + e.names[part{m.serviceFunc, roleMethod}] + ", " + e.argsLiteral(m) + ", "
	switch {
	case m.Oneway:
		e.P("return ", call, "nil)")
	case m.outcomes() == 0:
		e.P("return ", call, "new(", e.names[part{m.serviceFunc, roleReply}], "))")
	default:
		e.P("r := new(", e.names[part{m.serviceFunc, roleReply}], ")")
		e.P("if err := ", call, "r); err != nil {")
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

// asyncMethod prints XAsync and the type of the call that it returns.
func (e *emitter) asyncMethod(client string, m *method) {
	async, callType := e.names[part{m.serviceFunc, roleAsync}], e.names[part{m.serviceFunc, roleCall}]
	e.doc(async+" is "+m.goName+" without the wait.", m.Function.Annotations)
	e.P("func (c *", client, ") ", async, e.parameters(m), " *", callType, " {")
	call := "c.caller.Go(ctx, &" + e.names[part{m.serviceFunc, roleMethod}] + ", " + e.argsLiteral(m) + ", "
	if m.Oneway {
		e.P("return &", callType, "{", call, "nil)}")
	} else {
		e.P("call := new(", callType, ")")
		e.P("call.pending = ", call, "&call.reply)")
		e.P("return call")
	}
	e.P("}")
	e.P()

	e.P("// ", callType, " is a call of ", m.goName, " on its way. It may be used concurrently.")
	e.P("type ", callType, " struct {")
	e.P("pending ", e.rpc("Pending"))
	if !m.Oneway {
		e.P("reply ", e.names[part{m.serviceFunc, roleReply}])
	}
	e.P("}")
	e.P()
	if m.Oneway {
		e.P("// Wait blocks until the call has been handed to the connection, or ctx is done, which gives up only the wait.")
	} else {
		e.P("// Wait blocks until the call has ended, or ctx is done, which gives up the wait and not the call. Once the call has")
		e.P("// ended, Wait returns the same each time.")
	}
	e.P("func (c *", callType, ") Wait(ctx ", e.use("context"), ".Context) ", e.results(m), " {")
	switch {
	case m.outcomes() == 0:
		e.P("return c.pending.Wait(ctx)")
	case m.Result == nil:
		e.P("if err := c.pending.Wait(ctx); err != nil {")
		e.P("return err")
		e.P("}")
		e.P("return c.reply.outcome()")
	default:
		e.P("if err := c.pending.Wait(ctx); err != nil {")
		e.P("return ", e.zero(m.Result), ", err")
		e.P("}")
		e.P("return c.reply.outcome()")
	}
	e.P("}")
	e.P()
	e.P("// Done is closed when the call has ended.")
	e.P("func (c *", callType, ") Done() <-chan struct{} { return c.pending.Done() }")
	e.P()
}
