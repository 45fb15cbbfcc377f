package schema

import (
	"math"

	"github.com/kuafu-rpc/kuafu/idl"
)

// enumIndex finds an enum's values.
type enumIndex struct {
	byName  map[string]*EnumValue
	byValue map[int32]*EnumValue // the first name of each value
}

// enumValues numbers the values of d and checks their names.
func (l *linker) enumValues(d *Enum) {
	index := &enumIndex{byName: make(map[string]*EnumValue), byValue: make(map[int32]*EnumValue)}
	l.enums[d] = index
	names := make(map[string]idl.Ident)
	next := int64(0)
	for _, ast := range d.AST.Values {
		if ast.Value != nil {
			next = ast.Value.Value
		}
		if next < math.MinInt32 || next > math.MaxInt32 {
			if ast.Value != nil {
				l.add(codeEnumRange, d.File, ast.Value.Span, "%d does not fit the 32 bits of an enum value", next)
			} else {
				l.add(codeEnumRange, d.File, ast.Name.Span, "`%s` follows %d, and one more does not fit the 32 bits of an enum value",
					ast.Name.Name, math.MaxInt32)
			}
			next = 0 // so that one bad value does not make all that follow it bad
		}
		v := &EnumValue{Enum: d, Name: ast.Name.Name, Doc: ast.Doc, Value: int32(next), Annotations: ast.Annotations}
		d.Values = append(d.Values, v)
		next++
		if first, ok := names[v.Name]; ok {
			diag := l.add(codeDuplicateEnumName, d.File, ast.Name.Span, "enum `%s` has the value `%s` twice", d.Name, v.Name)
			label(diag, d.File, first.Span, "first used here")
			continue
		}
		names[v.Name] = ast.Name
		index.byName[v.Name] = v
		if index.byValue[v.Value] == nil {
			index.byValue[v.Value] = v
		}
	}
}
