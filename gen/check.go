package gen

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// Limits of what is generated.
const (
	// maxInlineSize bounds the Go value of a struct that holds other structs by value: each level can multiply it.
	maxInlineSize = 1 << 16

	// maxDefaults bounds the members that the default value of one struct sets: here too each level can multiply.
	maxDefaults = 1 << 10
)

// check reports what is right in the IDL and cannot be had in Go. Of a file that is only referred to, its structs
// matter.
func (g *generator) check(u *unit) {
	for _, d := range u.file.Structs {
		g.checkStruct(u, d)
	}
	if !u.wanted {
		return
	}
	for _, d := range u.file.Structs {
		for _, f := range d.Fields {
			g.checkTag(u, f)
		}
	}
}

func (g *generator) checkStruct(u *unit, d *schema.Struct) {
	if size := g.inlineSize(d); size > maxInlineSize {
		diag := g.report(codeInlineSize, u.file, d.AST.Name.Span, "%s `%s` would be a Go value of %s bytes, and %d is the limit",
			d.Kind, d.Name, atLeast(size), maxInlineSize)
		diag.Help = "make some of the fields that hold large structs optional: those are pointers"
	}
	var stack []*schema.Struct
	if n, cycle := g.defaultMembers(d, &stack); cycle != nil {
		names := make([]string, len(cycle))
		for i, s := range cycle {
			names[i] = s.Name
		}
		g.report(codeDefaultCycle, u.file, d.AST.Name.Span, "the default of `%s` contains itself without end: %s",
			d.Name, strings.Join(names, " -> "))
	} else if n > maxDefaults {
		g.report(codeDefaultCycle, u.file, d.AST.Name.Span, "the default of `%s` sets %s members, and %d is the limit",
			d.Name, atLeast(n), maxDefaults)
	}
}

// checkTag warns about a struct tag that the reflect package would not understand.
func (g *generator) checkTag(u *unit, f *schema.Field) {
	if wellFormedTag(goTag(f)) {
		return
	}
	for _, a := range f.Annotations {
		if a.Name.Name != "go.tag" || !a.HasValue || wellFormedTag(strings.TrimSpace(a.Value.Value)) {
			continue
		}
		g.diags = append(g.diags, &idl.Diagnostic{
			Severity: idl.Warning, Code: codeTag, File: u.file.AST, FileName: u.file.Path, Span: a.Value.Span,
			Message: "the struct tag is not a list of `key:\"value\"` pairs",
			Help:    "a tag is written `go.tag = 'json:\"name,omitempty\"'`",
		})
	}
}

func atLeast(n int64) string {
	if n == math.MaxInt32 {
		return "over two billion"
	}
	return strconv.FormatInt(n, 10)
}

// inlineSize returns the size of d as a Go value on a 64-bit machine, about; math.MaxInt32 for anything larger.
func (g *generator) inlineSize(d *schema.Struct) int64 {
	if n, ok := g.sizes[d]; ok {
		return n
	}
	g.sizes[d] = 0 // recursion goes through pointers, which end it
	var n int64
	for _, f := range d.Fields {
		switch {
		case isPointer(d, f):
			n += 8
		case f.Type.Kind == schema.KindStruct:
			n += g.inlineSize(f.Type.Struct)
		case f.Type.Kind == schema.KindBinary || f.Type.Kind == schema.KindList || f.Type.Kind == schema.KindSet:
			n += 24
		case f.Type.Kind == schema.KindString || f.Type.Kind == schema.KindUUID:
			n += 16
		default:
			n += 8
		}
	}
	n = min(n, math.MaxInt32)
	g.sizes[d] = n
	return n
}

// defaultMembers returns the number of members that are set when d is made with its defaults, or the cycle of structs
// whose defaults contain one another. stack holds the structs being made.
func (g *generator) defaultMembers(d *schema.Struct, stack *[]*schema.Struct) (n int64, cycle []*schema.Struct) {
	if n, ok := g.members[d]; ok {
		return n, nil
	}
	if i := slices.Index(*stack, d); i >= 0 {
		return 0, append(slices.Clone((*stack)[i:]), d)
	}
	*stack = append(*stack, d)
	defer func() { *stack = (*stack)[:len(*stack)-1] }()
	for _, f := range d.Fields {
		if f.Default == nil && !g.needsDefault(d, f) {
			continue
		}
		var more int64
		switch {
		case f.Default == nil:
			more, cycle = g.defaultMembers(f.Type.Struct, stack)
		case isOptional(d, f) && d.Kind != idl.StructUnion:
			// Only a getter makes it; what it makes is no part of d.
		default:
			more, cycle = g.valueMembers(f.Default, stack)
		}
		if cycle != nil {
			return 0, cycle
		}
		n = min(n+more+1, math.MaxInt32)
	}
	g.members[d] = n
	return n, nil
}

// valueMembers is defaultMembers for a written value.
func (g *generator) valueMembers(v *schema.Value, stack *[]*schema.Struct) (n int64, cycle []*schema.Struct) {
	add := func(v *schema.Value) {
		if cycle == nil && v != nil {
			var more int64
			more, cycle = g.valueMembers(v, stack)
			n = min(n+more+1, math.MaxInt32)
		}
	}
	for _, elem := range v.List {
		add(elem)
	}
	for _, p := range v.Map {
		add(p.Key)
		add(p.Value)
	}
	if v.Type.Kind != schema.KindStruct || cycle != nil {
		return n, cycle
	}
	given := make(map[*schema.Field]bool)
	for _, f := range v.Fields {
		given[f.Field] = true
		add(f.Value)
	}
	if cycle != nil {
		return n, cycle
	}
	// The members that are not given have their defaults. All of the struct's defaults are counted, which is simpler and
	// errs on the safe side.
	more, cycle := g.defaultMembers(v.Type.Struct, stack)
	return min(n+more, math.MaxInt32), cycle
}
