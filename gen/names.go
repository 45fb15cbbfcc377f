package gen

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// part names something that is generated for a definition besides the definition itself.
type part struct {
	of   any // *schema.Struct, *schema.Service, serviceFunc, *schema.Field, *schema.File or copied
	role role
}

type role int

const (
	roleNew          role = iota // NewX of a struct with defaults
	roleGetter                   // GetX of an optional field with a default
	roleBind                     // NewXService
	roleClient                   // XClient
	roleDial                     // NewXClient
	roleMethod                   // the rpc.Method of a function
	roleAsync                    // XAsync
	roleCall                     // XYCall, a call on its way
	roleDefer                    // DeferXY
	roleDeferral                 // XYDeferral, a call that is answered later
	roleArgs                     // arguments as a client writes them
	roleParams                   // arguments as a server reads them
	roleResult                   // result as a server writes it
	roleOutcome                  // makes what an implementation returns a result
	roleReply                    // result as a client reads it
	roleStream                   // XYStream, a stream call on the client
	roleServerStream             // the streams of a call on the server
	roleIn                       // what a message from the client travels in
	roleOut                      // what a message from the server travels in
	roleIDL                      // the rpc.IDLFile of a file
)

// copied is an IDL file whose text the Go file of another one holds too.
type copied struct {
	file, in *schema.File
}

// serviceFunc is a function as one service has it: inherited functions belong to several.
type serviceFunc struct {
	service  *schema.Service
	function *schema.Function
}

// allocate gives every package-level name of p, and the names inside its structs and services. What the author of the
// IDL named comes first, derived names make way; within a group the order is that of the files' names and their
// lines. So a name changes only when something before it takes it.
func (g *generator) allocate(p *pkg) {
	units := slices.Clone(p.units)
	slices.SortFunc(units, func(a, b *unit) int {
		return cmp.Or(cmp.Compare(a.file.Base, b.file.Base), cmp.Compare(a.file.Path, b.file.Path))
	})
	p.scope = newScope(reservedWords)
	each := func(visit func(d schema.Definition)) {
		for _, u := range units {
			for _, d := range u.file.Order {
				visit(d)
			}
		}
	}
	claim := func(key any, name string) { g.names[key] = p.scope.claim(name) }

	each(func(d schema.Definition) {
		switch d.(type) {
		case *schema.Typedef, *schema.Enum, *schema.Struct:
			claim(d, exportedName(d.DefName()))
		}
	})
	each(func(d schema.Definition) {
		if s, ok := d.(*schema.Service); ok {
			claim(s, exportedName(s.Name))
		}
	})
	each(func(d schema.Definition) {
		if c, ok := d.(*schema.Const); ok {
			claim(c, exportedName(c.Name))
		}
	})
	each(func(d schema.Definition) {
		if en, ok := d.(*schema.Enum); ok {
			for _, v := range en.Values {
				claim(v, g.names[en]+exportedName(v.Name))
			}
		}
	})
	each(func(d schema.Definition) {
		switch d := d.(type) {
		case *schema.Struct:
			if g.hasDefaults(d) {
				claim(part{d, roleNew}, "New"+g.names[d])
			}
			g.allocateFields(d)
		case *schema.Service:
			g.allocateService(p, d)
		}
	})
	for _, u := range units {
		claim(part{u.file, roleIDL}, idlName(u.file))
	}
	for _, u := range units {
		for _, f := range closure(u.file)[1:] {
			name := idlName(u.file)
			claim(part{copied{f, u.file}, roleIDL}, strings.ToLower(name[:1])+name[1:]+"Of"+idlName(f))
		}
		g.importNames(u)
	}
}

// idlName is the name of the variable that holds an IDL file.
func idlName(f *schema.File) string { return exportedName(identifier(f.Base)) + "IDL" }

// closure returns f and all that it includes, each once.
func closure(f *schema.File) []*schema.File {
	all := []*schema.File{f}
	seen := map[*schema.File]bool{f: true}
	for i := 0; i < len(all); i++ {
		for _, inc := range all[i].Includes {
			if !seen[inc] {
				seen[inc] = true
				all = append(all, inc)
			}
		}
	}
	return all
}

// allocateFields names the fields and getters of a struct.
func (g *generator) allocateFields(d *schema.Struct) {
	s := newScope(wordSet("EncodeThrift DecodeThrift String"))
	if d.Kind == idl.StructException {
		s["Error"] = true
	}
	if d.Failure != schema.FailureUnset {
		s["TransientFailure"] = true
	}
	for _, f := range d.Fields {
		g.names[f] = s.claim(exportedName(f.Name))
	}
	for _, f := range d.Fields {
		if hasGetter(f) {
			g.names[part{f, roleGetter}] = s.claim("Get" + g.names[f])
		}
	}
}

// allocateService names what is generated for a service, and its methods. Inherited functions come first, so that they
// keep the names they have in the ancestor's interface.
func (g *generator) allocateService(p *pkg, d *schema.Service) {
	name := g.names[d]
	claim := func(key any, name string) { g.names[key] = p.scope.claim(name) }
	claim(part{d, roleBind}, "New"+name+"Service")
	claim(part{d, roleClient}, name+"Client")
	claim(part{d, roleDial}, "New"+name+"Client")

	all := d.AllFunctions()
	methods := make(scope)
	for _, f := range all {
		g.names[serviceFunc{d, f}] = methods.claim(exportedName(f.Name))
	}
	for _, f := range all {
		sf := serviceFunc{d, f}
		method := g.names[sf]
		private := unexportedName(name) + method
		if _, in, out := streams(f); in == nil && out == nil {
			g.names[part{sf, roleAsync}] = methods.claim(method + "Async")
			claim(part{sf, roleCall}, name+method+"Call")
		} else {
			claim(part{sf, roleStream}, name+method+"Stream")
			claim(part{sf, roleServerStream}, private+"ServerStream")
			if enveloped(in) {
				claim(part{sf, roleIn}, private+"In")
			}
			if enveloped(out) {
				claim(part{sf, roleOut}, private+"Out")
			}
		}
		claim(part{sf, roleMethod}, private+"Method")
		claim(part{sf, roleArgs}, private+"Args")
		claim(part{sf, roleParams}, private+"Params")
		claim(part{sf, roleResult}, private+"Result")
		claim(part{sf, roleReply}, private+"Reply")
		claim(part{sf, roleOutcome}, private+"Outcome")
	}
	for _, f := range all {
		if deferrable(f) {
			sf := serviceFunc{d, f}
			claim(part{sf, roleDefer}, "Defer"+name+g.names[sf])
			claim(part{sf, roleDeferral}, name+g.names[sf]+"Deferral")
		}
	}
}

// deferrable reports whether calls of f can be answered later.
func deferrable(f *schema.Function) bool {
	_, in, out := streams(f)
	return !f.Oneway && in == nil && out == nil
}

// parameterNames returns the Go names of a function's arguments, in order.
func (e *emitter) parameterNames(fields []*schema.Field) []string {
	s := newScope(reservedWords, clientNames)
	for _, name := range e.imports {
		s[name] = true
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = s.claim(unexportedName(f.Name))
	}
	return names
}

// memberNames returns the names of the fields that hold arguments or exceptions in the unexported structs of a
// function.
func memberNames(fields []*schema.Field) []string {
	s := newScope(reservedWords, wordSet("success has outcome"))
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = s.claim(unexportedName(f.Name))
	}
	return names
}
