package schema

import "github.com/kuafu-rpc/kuafu/idl"

// recursion marks the fields of f's structs through which a struct reaches itself, and warns about structs that could
// only be infinite. Includes form no circle, so neither do structs of different files.
func (l *linker) recursion(f *File) {
	all := components(f, func(*Field) bool { return true })
	required := components(f, func(field *Field) bool {
		return field.Requiredness == idl.RequirednessRequired
	})
	for _, d := range f.Structs {
		for _, field := range d.Fields {
			target := inline(field)
			if target == nil || target.File != f || all[d] != all[target] {
				continue
			}
			field.Recursive = true
			if field.Requiredness == idl.RequirednessRequired && required[d] == required[target] {
				diag := l.add(codeInfiniteStruct, f, field.AST.ReqSpan, "`%s` requires a `%s`, which requires a `%s`: no finite value exists",
					d.Name, target.Name, d.Name)
				if d == target {
					diag.Message = "`" + d.Name + "` requires itself: no finite value exists"
				}
				diag.Help = "make the field optional"
			}
		}
	}
}

// inline returns the struct that a value of the field holds without a container between, nil if there is none.
func inline(field *Field) *Struct {
	if field.Type == nil {
		return nil
	}
	return field.Type.Struct
}

// components numbers the strongly connected components (Tarjan 1972) of f's structs, joined by the fields that follow
// accepts.
func components(f *File, follow func(*Field) bool) map[*Struct]int {
	var (
		component = make(map[*Struct]int)
		order     = make(map[*Struct]int) // of the first visit, from 1
		low       = make(map[*Struct]int) // the earliest struct on the stack that is reached from here
		stack     []*Struct
		visit     func(d *Struct)
	)
	visit = func(d *Struct) {
		order[d] = len(order) + 1
		low[d] = order[d]
		stack = append(stack, d)
		for _, field := range d.Fields {
			next := inline(field)
			if next == nil || next.File != f || !follow(field) {
				continue
			}
			if order[next] == 0 {
				visit(next)
				low[d] = min(low[d], low[next])
			} else if component[next] == 0 {
				low[d] = min(low[d], order[next])
			}
		}
		if low[d] != order[d] {
			return
		}
		for {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			component[top] = order[d]
			if top == d {
				return
			}
		}
	}
	for _, d := range f.Structs {
		if order[d] == 0 {
			visit(d)
		}
	}
	return component
}
