package gen

import (
	"fmt"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// method is a function of a service as the emitters of services see it. Inherited functions are methods of every
// service that has them, each with types of its own: the ancestor's unexported types may be in another package.
type method struct {
	serviceFunc
	*schema.Function
	goName  string   // of the interface's method
	names   []string // of the parameters
	members []string // the same in unexported structs
	throws  []string // members for the declared exceptions

	in, out *schema.Type // elements of the streams, which Function does not have any more; nil if there are none
	inName  string       // of the stream parameter
}

// service prints everything for a service: interface, descriptors, server side, client side.
func (e *emitter) service(d *schema.Service) {
	var methods []*method
	for _, f := range d.AllFunctions() {
		sf := serviceFunc{d, f}
		plain, in, out := streams(f)
		m := &method{
			serviceFunc: sf, Function: plain, goName: e.names[sf],
			names: e.parameterNames(f.Args), members: memberNames(plain.Args), throws: memberNames(f.Throws),
			in: in, out: out,
		}
		if n := len(plain.Args); n < len(f.Args) {
			m.inName, m.names = m.names[n], m.names[:n]
		}
		methods = append(methods, m)
	}
	e.serviceInterface(d, methods)
	e.descriptors(d, methods)
	e.binding(d, methods)
	for _, m := range methods {
		if deferrable(m.function) {
			e.deferral(m)
		}
	}
	e.client(d, methods)
	for _, m := range methods {
		e.argsType(m)
		e.paramsType(m)
		e.resultType(m)
		e.outcomeFunc(m)
		e.replyType(m)
		if m.streaming() {
			e.serverStream(m)
			e.elements(m)
		}
	}
}

// serviceInterface prints what a server implements. An ancestor's interface is embedded.
func (e *emitter) serviceInterface(d *schema.Service, methods []*method) {
	e.doc(d.Doc, d.Annotations)
	e.P("type ", e.names[d], " interface {")
	if d.Extends != nil {
		e.P(e.name(d.Extends.File, d.Extends))
		e.P()
	}
	for _, m := range methods {
		if m.Function.Service == d {
			e.doc(m.Function.Doc, m.Function.Annotations)
			e.P(m.goName, e.serverSignature(m))
		}
	}
	e.P("}")
	e.P()
}

// signature returns the parameters and results of a method.
func (e *emitter) signature(m *method) string {
	if m.Result == nil {
		return e.parameters(m) + " error"
	}
	return e.parameters(m) + " (" + e.argType(m.Result) + ", error)"
}

func (e *emitter) parameters(m *method) string {
	var b strings.Builder
	b.WriteString("(ctx " + e.use("context") + ".Context")
	for i, f := range m.Args {
		b.WriteString(", " + m.names[i] + " " + e.argType(f.Type))
	}
	return b.String() + ")"
}

// argType returns the Go type of an argument or a result: structs travel by pointer.
func (e *emitter) argType(t *schema.Type) string {
	if t.Kind == schema.KindStruct {
		return "*" + e.goType(t)
	}
	return e.goType(t)
}

// descriptors prints the rpc.Method values of a service.
func (e *emitter) descriptors(d *schema.Service, methods []*method) {
	if len(methods) == 0 {
		return
	}
	e.P("var (")
	for _, m := range methods {
		e.P(e.names[part{m.serviceFunc, roleMethod}], " = ", e.rpc("Method"), "{")
		e.P("Service: ", quote(d.Name), ",")
		e.P("Name: ", quote(m.Function.Name), ",")
		e.P("FullName: ", quote(d.Name+"."+m.Function.Name), ",")
		if m.Oneway {
			e.P("Oneway: true,")
		}
		if m.streaming() {
			e.P("Stream: ", e.streamMode(m), ",")
		}
		if name := retryNames[m.Retry]; name != "" {
			e.P("Retry: ", e.rpc(name), ",")
		}
		if m.TimeoutNano != 0 {
			e.P("Timeout: ", e.duration(time.Duration(m.TimeoutNano)), ",")
		}
		if name := priorityNames[m.Priority]; name != "" {
			e.P("Priority: ", e.rpc(name), ",")
		}
		if name := compressNames[m.Compress]; name != "" {
			e.P("Compress: ", e.rpc(name), ",")
		}
		if declarer := m.Function.Service; declarer != d {
			e.P("Origin: ", quote(declarer.Name+"."+m.Function.Name), ",")
		}
		e.P("}")
	}
	e.P(")")
	e.P()
}

var (
	retryNames = map[schema.Retry]string{
		schema.RetryNever: "RetryNever", schema.RetryIdempotent: "RetryIdempotent", schema.RetryAtMostOnce: "RetryAtMostOnce",
	}
	priorityNames = map[string]string{"high": "PriorityHigh", "normal": "PriorityNormal", "low": "PriorityLow"}
	compressNames = map[string]string{"snappy": "CompressSnappy", "none": "CompressNone"}
)

// duration returns d in the largest unit that divides it.
func (e *emitter) duration(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{
		{time.Hour, "Hour"}, {time.Minute, "Minute"}, {time.Second, "Second"}, {time.Millisecond, "Millisecond"},
		{time.Microsecond, "Microsecond"},
	} {
		if d%u.size == 0 {
			return fmt.Sprintf("%d * %s.%s", d/u.size, e.use("time"), u.name)
		}
	}
	return fmt.Sprintf("%d * %s.Nanosecond", d, e.use("time"))
}

// argsType prints the arguments as a client writes them: structs by pointer, a nil one is not written.
func (e *emitter) argsType(m *method) {
	name := e.names[part{m.serviceFunc, roleArgs}]
	e.P("// ", name, " are the arguments of ", m.goName, " as a client writes them.")
	e.P("type ", name, " struct {", openEnd(len(m.Args)))
	for i, f := range m.Args {
		e.P(m.members[i], " ", e.argType(f.Type))
	}
	e.closeType(len(m.Args))
	e.P("func (m ", unless(e.argsByValue(m), "*"), name, ") EncodeThrift(e *", e.codec("Encoder"), ") {")
	e.P("outer := e.BeginStruct()")
	for _, f := range byID(m.Args) {
		expr := "m." + m.member(f)
		switch {
		case f.Type.Kind != schema.KindStruct:
			e.encodeField(f, expr, false)
		case f.Requiredness == idl.RequirednessRequired:
			e.P("if ", expr, " == nil {")
			e.P("e.Fail(", e.codec("MissingField"), "(", quote(m.fullName()), ", ", quote(f.Name), "))")
			e.P("return")
			e.P("}")
			e.encodeField(f, expr, true)
		default:
			e.P("if ", expr, " != nil {")
			e.encodeField(f, expr, true)
			e.P("}")
		}
	}
	e.P("e.EndStruct(outer)")
	e.P("}")
	e.P()
}

// paramsType prints the arguments as a server reads them: structs in place, so that all take one allocation.
func (e *emitter) paramsType(m *method) {
	name := e.names[part{m.serviceFunc, roleParams}]
	e.P("// ", name, " are the arguments of ", m.goName, " as a server reads them.")
	e.P("type ", name, " struct {", openEnd(len(m.Args)))
	for i, f := range m.Args {
		e.P(m.members[i], " ", e.goType(f.Type))
	}
	e.closeType(len(m.Args))
	e.P("func (m *", name, ") DecodeThrift(d *", e.codec("Decoder"), ") {")
	var targets []target
	for _, f := range byID(m.Args) {
		arg := *f
		arg.Recursive = false // nothing contains the arguments
		name := m.member(f)
		targets = append(targets, target{&arg, nil, "m." + name, strings.ToUpper(name[:1]) + name[1:]})
	}
	for _, t := range targets {
		if e.needsDefault(nil, t.Field) && !e.allocates(nil, t.Field) {
			text := ""
			if t.Default != nil {
				text = e.literal(t.Type, t.Default)
			} else {
				text = e.newValue(t.Type.Struct)
			}
			e.P(t.expr, " = ", text)
		}
	}
	e.decodeFields(m.fullName(), targets)
	e.P("}")
	e.P()
}

// resultType prints the result as a server writes it: one of the exceptions, or else the value.
func (e *emitter) resultType(m *method) {
	if m.Oneway {
		return
	}
	name := e.names[part{m.serviceFunc, roleResult}]
	e.P("// ", name, " is the result of ", m.goName, " as a server writes it.")
	e.P("type ", name, " struct {", openEnd(m.outcomes()))
	if m.Result != nil {
		e.P("success ", e.argType(m.Result))
	}
	for i, f := range m.Throws {
		e.P(m.throws[i], " *", e.goType(f.Type))
	}
	e.closeType(m.outcomes())
	e.P("func (m ", unless(e.resultByValue(m), "*"), name, ") EncodeThrift(e *", e.codec("Encoder"), ") {")
	e.P("outer := e.BeginStruct()")
	success := &schema.Field{Type: m.Result}
	switch {
	case len(m.Throws) > 0:
		e.P("switch {")
		for i, f := range m.Throws {
			e.P("case m.", m.throws[i], " != nil:")
			e.encodeField(f, "m."+m.throws[i], true)
		}
		if m.Result != nil {
			e.P("default:")
			e.encodeField(success, "m.success", m.Result.Kind == schema.KindStruct)
		}
		e.P("}")
	case m.Result != nil:
		e.encodeField(success, "m.success", m.Result.Kind == schema.KindStruct)
	}
	e.P("e.EndStruct(outer)")
	e.P("}")
	e.P()
}

// replyType prints the result as a client reads it, and what to make of it.
func (e *emitter) replyType(m *method) {
	if m.Oneway {
		return
	}
	name := e.names[part{m.serviceFunc, roleReply}]
	e.P("// ", name, " is the result of ", m.goName, " as a client reads it.")
	e.P("type ", name, " struct {", openEnd(m.outcomes()))
	if m.Result != nil {
		e.P("success ", e.goType(m.Result))
		e.P("has bool // success has arrived")
	}
	for i, f := range m.Throws {
		e.P(m.throws[i], " *", e.goType(f.Type))
	}
	e.closeType(m.outcomes())
	transients := m.transients()
	e.P("func (m *", name, ") DecodeThrift(d *", e.codec("Decoder"), ") {")
	if len(transients) > 0 {
		e.P("*m = ", name, "{} // which may hold the reply to the last attempt")
	}
	e.P("outer := d.BeginStruct()")
	e.P("for f := d.Field(); f.Type != ", e.codec("Stop"), "; f = d.Field() {")
	if m.outcomes() == 0 {
		e.P("d.Skip(f.Type)")
	} else {
		e.P("switch f.Key() {")
		if m.Result != nil {
			e.P("case ", e.key(0, m.Result), ":")
			e.decodeValue(m.Result, "m.success", "=", 0)
			e.P("m.has = true")
		}
		for i, f := range m.Throws {
			e.P("case ", e.key(f.ID, f.Type), ":")
			e.P("m.", m.throws[i], " = ", e.codec("New"), "[", e.goType(f.Type), "](d)")
			e.P("m.", m.throws[i], ".DecodeThrift(d)")
		}
		e.P("default:")
		e.P("d.Skip(f.Type)")
		e.P("}")
	}
	e.P("}")
	e.P("d.EndStruct(outer)")
	e.P("}")
	e.P()
	if len(transients) > 0 {
		e.P("// TransientFailure implements rpc.Transient: a client may make the call again.")
		e.P("func (m *", name, ") TransientFailure() bool { return ", strings.Join(transients, " != nil || "), " != nil }")
		e.P()
	}
	e.outcome(m, name)
}

// transients returns expressions for the transient exceptions in a reply, if clients may make a call again that has ended
// with one: the method is idempotent and has no streams.
func (m *method) transients() []string {
	if m.Retry != schema.RetryIdempotent || m.streaming() {
		return nil
	}
	var found []string
	for i, f := range m.Throws {
		if f.Type.Struct.Failure == schema.FailureTransient {
			found = append(found, "m."+m.throws[i])
		}
	}
	return found
}

// outcome prints the method that turns a reply into what the client's method returns.
func (e *emitter) outcome(m *method, name string) {
	if m.outcomes() == 0 {
		return
	}
	e.P("func (m *", name, ") outcome() ", e.results(m), " {")
	zero := ""
	if m.Result != nil {
		zero = e.zero(m.Result) + ", "
	}
	for i := range m.Throws {
		e.P("if m.", m.throws[i], " != nil {")
		e.P("return ", zero, "m.", m.throws[i])
		e.P("}")
	}
	switch {
	case m.Result == nil:
		e.P("return nil")
	default:
		e.P("if !m.has {")
		e.P("return ", zero, "&", e.rpc("Error"), "{")
		e.P("Code: ", e.rpc("Internal"), ",")
		e.P("Message: ", quote("the reply has neither a result nor a known exception"), ",")
		e.P("Method: ", quote(m.fullName()), ",")
		e.P("Execution: ", e.rpc("Executed"), ",")
		e.P("}")
		e.P("}")
		if m.Result.Kind == schema.KindStruct {
			e.P("return &m.success, nil")
		} else {
			e.P("return m.success, nil")
		}
	}
	e.P("}")
	e.P()
}

// results returns the result types of a method as a client returns them.
func (e *emitter) results(m *method) string {
	if m.Result == nil {
		return "error"
	}
	return "(" + e.argType(m.Result) + ", error)"
}

// zero returns the zero value of a result.
func (e *emitter) zero(t *schema.Type) string {
	switch t.Kind {
	case schema.KindBool:
		return "false"
	case schema.KindString:
		return `""`
	case schema.KindI8, schema.KindI16, schema.KindI32, schema.KindI64, schema.KindDouble, schema.KindEnum:
		return "0"
	case schema.KindUUID:
		return e.goType(t) + "{}"
	}
	return "nil"
}

// member returns the name of an argument inside the unexported structs.
func (m *method) member(f *schema.Field) string {
	for i, arg := range m.Args {
		if arg == f {
			return m.members[i]
		}
	}
	return ""
}

// outcomes returns how many things a reply can say, besides that the call was done.
func (m *method) outcomes() int {
	if m.Result == nil {
		return len(m.Throws)
	}
	return 1 + len(m.Throws)
}

// argsByValue reports whether the arguments, as a client writes them, go into an interface by value: a struct whose one
// member is a pointer or a map does so without an allocation.
func (e *emitter) argsByValue(m *method) bool {
	return len(m.Args) == 1 && e.pointerShaped(m.Args[0].Type)
}

// resultByValue is argsByValue for the result, as a server writes it.
func (e *emitter) resultByValue(m *method) bool {
	return m.outcomes() == 1 && (m.Result == nil || e.pointerShaped(m.Result)) // exceptions are pointers
}

// pointerShaped reports whether a value of the type that argType returns is a single pointer.
func (e *emitter) pointerShaped(t *schema.Type) bool {
	return t.Kind == schema.KindStruct || t.Kind == schema.KindMap && e.isGoMap(t)
}

// unless returns symbol, or nothing if the condition holds.
func unless(condition bool, symbol string) string {
	if condition {
		return ""
	}
	return symbol
}

// openEnd and closeType print an empty struct type on one line.
func openEnd(members int) string {
	if members == 0 {
		return "}"
	}
	return ""
}

func (e *emitter) closeType(members int) {
	if members > 0 {
		e.P("}")
	}
	e.P()
}

func (m *method) fullName() string { return m.service.Name + "." + m.Function.Name }
