package schema

import (
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
)

// split finds the file that a reference looks into, and the name that it looks for there: u itself for a plain name, a
// direct include for "base.name". Base names may hold dots, so the longest prefix that is an include wins. The unit is
// nil where no prefix is one.
func (u *unit) split(name string) (*unit, string) {
	if !strings.Contains(name, ".") {
		return u, name
	}
	prefix := name[:min(len(name), maxBaseName+1)]
	for i := strings.LastIndexByte(prefix, '.'); i > 0; i = strings.LastIndexByte(prefix[:i], '.') {
		if inc := u.includes[name[:i]]; inc != nil {
			return inc, name[i+1:]
		}
	}
	return nil, name
}

// excused reports whether a failure to find name follows from an error that has been reported: an include that could
// not be loaded, or text that could not be parsed.
func (u *unit) excused(name string) bool {
	for i := range min(len(name), maxBaseName+1) {
		if name[i] == '.' && u.lost[name[:i]] {
			return true
		}
	}
	target, rest := u.split(name)
	if target == nil {
		target = u
	}
	if target.broken == nil {
		return false
	}
	for _, word := range strings.Split(rest, ".") {
		if target.broken[word] {
			return true
		}
	}
	return false
}

// baseTypes are the names a misspelt base type may have meant.
var baseTypes = []string{"bool", "byte", "i8", "i16", "i32", "i64", "double", "string", "binary", "uuid"}

// typeCandidates returns every name under which u can refer to a type.
func (u *unit) typeCandidates() []string {
	if u.typeNames == nil {
		u.typeNames = append(u.typeNames, baseTypes...)
		u.visible(func(prefix string, from *unit) {
			for _, d := range from.file.Order {
				switch d.(type) {
				case *Typedef, *Enum, *Struct:
					u.typeNames = append(u.typeNames, prefix+d.DefName())
				}
			}
		})
	}
	return u.typeNames
}

// constCandidates returns every name under which u can refer to a constant or enum value.
func (u *unit) constCandidates() []string {
	if u.constNames == nil {
		u.visible(func(prefix string, from *unit) {
			for _, d := range from.file.Consts {
				u.constNames = append(u.constNames, prefix+d.Name)
			}
			for _, d := range from.file.Enums {
				for _, v := range d.Values {
					u.constNames = append(u.constNames, prefix+d.Name+"."+v.Name)
				}
			}
		})
	}
	return u.constNames
}

// serviceCandidates returns every name under which u can refer to a service.
func (u *unit) serviceCandidates() []string {
	var names []string
	u.visible(func(prefix string, from *unit) {
		for _, d := range from.file.Services {
			names = append(names, prefix+d.Name)
		}
	})
	return names
}

// visible calls visit for u and then for each direct include, with the prefix of its names.
func (u *unit) visible(visit func(prefix string, from *unit)) {
	visit("", u)
	for _, f := range u.file.Includes {
		visit(f.Base+".", u.includes[f.Base])
	}
}

// find returns what name refers to in the scope that pick chooses; the zero T if nothing.
func find[T any](u *unit, name string, pick func(*unit) map[string]T) T {
	if target, rest := u.split(name); target != nil {
		return pick(target)[rest]
	}
	var none T
	return none
}

func typeScope(u *unit) map[string]Definition  { return u.types }
func constScope(u *unit) map[string]*Const     { return u.consts }
func serviceScope(u *unit) map[string]*Service { return u.services }

// unknown reports that name is nothing of the wanted kind ("type", "service"), unless that follows from an earlier
// error.
func (l *linker) unknown(code string, u *unit, name string, span idl.Span, kind string, candidates func() []string) {
	if other, what := u.anyKind(name); other != nil {
		d := l.add(codeWrongKind, u.file, span, "`%s` is a %s, not a %s", name, what, kind)
		label(d, other.DefFile(), identOf(other).Span, "defined here")
		return
	}
	if u.excused(name) {
		return
	}
	d := l.add(code, u.file, span, "unknown %s `%s`", kind, name)
	d.Help = l.hint(u, name, candidates)
}

// anyKind returns the definition of any kind that name refers to, and the word for its kind.
func (u *unit) anyKind(name string) (Definition, string) {
	if d := find(u, name, serviceScope); d != nil {
		return d, "service"
	}
	if d := find(u, name, typeScope); d != nil {
		return d, "type"
	}
	if d := find(u, name, constScope); d != nil {
		return d, "constant"
	}
	return nil, ""
}

// hint says what a name that is not found may have been meant to be. It is one of the bounded searches, as it reads
// every candidate.
func (l *linker) hint(u *unit, name string, candidates func() []string) string {
	if l.suggestions >= maxSuggestions {
		return ""
	}
	dot := strings.LastIndexByte(name, '.')
	if target, _ := u.split(name); dot >= 0 && target == nil {
		prefix := name[:dot]
		if prefix == u.file.Base {
			return message("names of this file are written without a prefix: `%s`", name[dot+1:])
		}
		for _, other := range l.units {
			if other.file.Base == prefix {
				l.suggestions++
				return message("`%s` is not included by this file, and only direct includes are visible: include it here", other.file.Path)
			}
		}
	}
	if dot < 0 {
		// The name may be right and only lack its prefix, however far that makes the two spellings.
		suffix := "." + name
		for _, c := range candidates() {
			if strings.HasSuffix(c, suffix) {
				l.suggestions++
				return message("did you mean `%s`?", c)
			}
		}
	}
	return l.suggest(name, candidates)
}
