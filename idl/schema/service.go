package schema

import "github.com/kuafu-rpc/kuafu/idl"

// service links d's parent and its functions' types.
func (l *linker) service(u *unit, d *Service) {
	if ext := d.AST.Extends; ext != nil {
		d.Extends = find(u, ext.Name, serviceScope)
		if d.Extends == nil {
			l.unknown(codeUnknownService, u, ext.Name, ext.Span, "service", u.serviceCandidates)
		}
	}
	names := make(map[string]*idl.Function)
	for _, ast := range d.AST.Functions {
		if first := names[ast.Name.Name]; first != nil {
			diag := l.add(codeDuplicateFunction, u.file, ast.Name.Span, "service `%s` has the function `%s` twice", d.Name, ast.Name.Name)
			label(diag, u.file, first.Name.Span, "first defined here")
		} else {
			names[ast.Name.Name] = ast
		}
		d.Functions = append(d.Functions, l.function(u, d, ast))
	}
}

func (l *linker) function(u *unit, d *Service, ast *idl.Function) *Function {
	f := &Function{
		Service:     d,
		AST:         ast,
		Name:        ast.Name.Name,
		Doc:         ast.Doc,
		Oneway:      ast.Oneway,
		Args:        l.fieldsOf(u, ast.Args, listArgs),
		Throws:      l.fieldsOf(u, ast.Throws, listThrows),
		Annotations: ast.Annotations,
	}
	for i, a := range ast.Args {
		if stream, ok := a.Type.(*idl.StreamType); ok && ast.Oneway && i == len(ast.Args)-1 {
			diag := l.add(codeOnewayStream, u.file, stream.Span, "oneway function `%s` takes a stream, but its call is over once it is sent", f.Name)
			diag.Help = "drop `oneway`"
			label(diag, u.file, ast.OnewaySpan, "declared oneway here")
		}
	}
	if stream, ok := ast.Result.(*idl.StreamType); ok {
		f.Result = l.streamOf(u, stream)
	} else if ast.Result != nil {
		f.Result = l.typeOf(u, ast.Result)
	}
	if ast.Oneway {
		l.oneway(u, ast)
	}
	for _, t := range f.Throws {
		if t.ID == 0 && t.AST.ID != nil {
			diag := l.add(codeDuplicateFieldID, u.file, t.AST.ID.Span, "an exception cannot have the id 0, which is the result's")
			label(diag, u.file, ast.ResultSpan, "the result")
		}
	}
	l.functionAnnotations(u, f)
	return f
}

// oneway checks that nothing would have to come back from a oneway function.
func (l *linker) oneway(u *unit, ast *idl.Function) {
	if ast.Result != nil {
		d := l.add(codeOnewayResult, u.file, ast.Result.Range(), "oneway function `%s` has a result, which nobody would receive", ast.Name.Name)
		d.Help = "make it `oneway void`, or drop `oneway`"
		label(d, u.file, ast.OnewaySpan, "declared oneway here")
	}
	if len(ast.Throws) > 0 {
		throws := idl.Span{Start: ast.Throws[0].Span.Start, End: ast.Throws[len(ast.Throws)-1].Span.End}
		d := l.add(codeOnewayThrows, u.file, throws, "oneway function `%s` throws, but nobody would receive the exception", ast.Name.Name)
		d.Help = "drop the `throws` clause, or drop `oneway`"
		label(d, u.file, ast.OnewaySpan, "declared oneway here")
	}
}

// inheritance checks what can be said only when every service knows its parent: that extends goes round in no circle
// and up no endless ladder, and that no function hides an inherited one.
func (l *linker) inheritance() {
	depth := make(map[*Service]int) // services above; -1 while on the way up
	for _, u := range l.units {
		for _, d := range u.file.Services {
			l.extends(d, depth)
		}
	}
	for _, u := range l.units {
		for _, d := range u.file.Services {
			l.hiding(d)
		}
	}
}

// extends walks up from d until a service whose depth is known, or until it comes back to one it has passed, and then
// cuts the circle.
func (l *linker) extends(d *Service, depth map[*Service]int) {
	var path []*Service
	s := d
	for s != nil && depth[s] == 0 {
		depth[s] = -1
		path = append(path, s)
		s = s.Extends
	}
	above := 0
	if s != nil && depth[s] < 0 {
		l.extendsCycle(path, s)
		for i := len(path) - 1; ; i-- {
			path[i].Extends = nil
			depth[path[i]] = 1
			if path[i] == s {
				path = path[:i]
				break
			}
		}
		above = 1
	} else if s != nil {
		above = depth[s]
	}
	for i := len(path) - 1; i >= 0; i-- {
		above++
		if above > maxExtends+1 {
			ext := path[i].AST.Extends
			l.add(codeExtendsDepth, path[i].File, ext.Span, "service `%s` has more than %d services above it", path[i].Name, maxExtends)
			path[i].Extends = nil
			above = 1
		}
		depth[path[i]] = above
	}
}

// extendsCycle reports the part of path from s on, whose last service extends s.
func (l *linker) extendsCycle(path []*Service, s *Service) {
	for path[0] != s {
		path = path[1:]
	}
	if len(path) == 1 {
		l.add(codeExtendsCycle, s.File, s.AST.Extends.Span, "service `%s` extends itself", s.Name)
		return
	}
	names := make([]string, 0, len(path)+1)
	for _, hop := range path {
		names = append(names, hop.Name)
	}
	names = append(names, s.Name)
	d := l.add(codeExtendsCycle, s.File, s.AST.Extends.Span, "extends cycle: %s", chain(names))
	for i, hop := range path[1:] {
		label(d, hop.File, hop.AST.Extends.Span, "`%s` extends `%s` here", hop.Name, names[i+2])
	}
}

// hiding reports functions of d whose names it inherits already.
func (l *linker) hiding(d *Service) {
	if d.Extends == nil || len(d.Functions) == 0 {
		return
	}
	own := make(map[string]*Function, len(d.Functions))
	for _, f := range d.Functions {
		if own[f.Name] == nil {
			own[f.Name] = f
		}
	}
	for s := d.Extends; s != nil; s = s.Extends {
		for _, inherited := range s.Functions {
			f := own[inherited.Name]
			if f == nil {
				continue
			}
			delete(own, inherited.Name)
			diag := l.add(codeDuplicateFunction, d.File, f.AST.Name.Span, "service `%s` inherits a function `%s` already", d.Name, f.Name)
			label(diag, s.File, inherited.AST.Name.Span, "defined here, in `%s`", s.Name)
			diag.Help = "rename one of them: a service cannot replace what it inherits"
		}
	}
}
