package dynamic

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// converter makes values of JSON.
type converter struct {
	path path
}

func (c *converter) value(t *schema.Type, n *node) (value, error) {
	v := value{typ: t}
	var err error
	switch t.Kind {
	case schema.KindBool:
		if n.kind != isBool {
			return v, c.want("true or false", n)
		}
		if n.text == "true" {
			v.bits = 1
		}
	case schema.KindI8:
		v.bits, err = c.integer(n, 8)
	case schema.KindI16:
		v.bits, err = c.integer(n, 16)
	case schema.KindI32:
		v.bits, err = c.integer(n, 32)
	case schema.KindI64:
		v.bits, err = c.integer(n, 64)
	case schema.KindDouble:
		v.bits, err = c.double(n)
	case schema.KindEnum:
		v.bits, err = c.enum(t.Enum, n)
	case schema.KindString:
		if n.kind != isString {
			return v, c.want("a string", n)
		}
		v.text = n.text
	case schema.KindBinary:
		v.text, err = c.binary(n)
	case schema.KindUUID:
		v.text, err = c.uuid(n)
	case schema.KindList, schema.KindSet:
		v.elems, err = c.list(t, n)
	case schema.KindMap:
		v.elems, err = c.entries(t, n)
	case schema.KindStruct:
		v.fields, err = c.fields(t.Struct, n)
	default:
		err = c.path.errorf("streams have no JSON form")
	}
	return v, err
}

// want says that something else was found than what fits.
func (c *converter) want(what string, n *node) error {
	found := n.kind.String()
	if n.text != "" {
		found += " (" + clip(n.text) + ")"
	}
	return c.path.errorf("want %s, found %s", what, found)
}

func (c *converter) integer(n *node, bits int) (uint64, error) {
	if n.kind != isNumber && n.kind != isString {
		return 0, c.want("an integer", n)
	}
	i, err := strconv.ParseInt(n.text, 10, bits)
	switch {
	case err == nil:
		return uint64(i), nil
	case strings.Trim(n.text, "-0123456789") == "" && n.text != "" && n.text != "-":
		return 0, c.path.errorf("%s does not fit into %d bits", clip(n.text), bits)
	}
	return 0, c.want("an integer", n)
}

func (c *converter) double(n *node) (uint64, error) {
	if n.kind != isNumber && n.kind != isString {
		return 0, c.want("a number", n)
	}
	f, err := strconv.ParseFloat(n.text, 64)
	if err != nil {
		if n.kind == isNumber { // which the JSON parser has checked, so it is too large
			return 0, c.path.errorf("%s is too large for a double", clip(n.text))
		}
		return 0, c.want("a number", n)
	}
	return math.Float64bits(f), nil
}

func (c *converter) enum(d *schema.Enum, n *node) (uint64, error) {
	if n.kind == isString {
		for _, v := range d.Values {
			if v.Name == n.text {
				return uint64(v.Value), nil
			}
		}
		if _, err := strconv.Atoi(n.text); err != nil {
			names := make([]string, 0, len(d.Values))
			for _, v := range d.Values {
				names = append(names, v.Name)
			}
			if near := idl.Suggest(n.text, names); near != "" {
				return 0, c.path.errorf("%s has no %s; did you mean %s?", d.Name, clip(n.text), near)
			}
			return 0, c.path.errorf("%s has no %s; it has %s", d.Name, clip(n.text), some(names))
		}
	}
	return c.integer(n, 32)
}

// some lists names, not too many of them.
func some(names []string) string {
	const limit = 12
	if len(names) == 0 {
		return "none"
	}
	if len(names) > limit {
		return strings.Join(names[:limit], ", ") + " and " + strconv.Itoa(len(names)-limit) + " more"
	}
	return strings.Join(names, ", ")
}

func (c *converter) binary(n *node) (string, error) {
	if n.kind != isString {
		return "", c.want("a string in base64", n)
	}
	s := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(n.text, "="))
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil {
		return "", c.want("base64", n)
	}
	return string(b), nil
}

func (c *converter) uuid(n *node) (string, error) {
	s := n.text
	if n.kind == isString && len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		if b, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]); err == nil {
			return string(b), nil
		}
	}
	return "", c.want("a uuid like 00112233-4455-6677-8899-aabbccddeeff", n)
}

func (c *converter) list(t *schema.Type, n *node) ([]value, error) {
	if n.kind != isArray {
		return nil, c.want("an array", n)
	}
	elems := make([]value, 0, len(n.elems))
	for i := range n.elems {
		c.path.push(index(i))
		v, err := c.value(t.Elem, &n.elems[i])
		if err != nil {
			return nil, err
		}
		c.path.pop()
		elems = append(elems, v)
	}
	return elems, nil
}

// entries returns the keys and values of a map in turn.
func (c *converter) entries(t *schema.Type, n *node) ([]value, error) {
	switch {
	case n.kind == isArray:
		return c.pairs(t, n)
	case n.kind != isObject:
		return nil, c.want("an object or an array of pairs", n)
	case !hasTextForm(t.Key) && t.Key.Kind != schema.KindDouble:
		return nil, c.path.errorf("the keys of this map cannot be those of an object: want an array of [key, value] arrays")
	}
	elems := make([]value, 0, 2*len(n.elems))
	for i := range n.elems {
		c.path.push(key(n.keys[i]))
		k, err := c.value(t.Key, keyNode(t.Key, n.keys[i]))
		if err != nil {
			return nil, err
		}
		v, err := c.value(t.Elem, &n.elems[i])
		if err != nil {
			return nil, err
		}
		c.path.pop()
		elems = append(elems, k, v)
	}
	return elems, nil
}

func (c *converter) pairs(t *schema.Type, n *node) ([]value, error) {
	elems := make([]value, 0, 2*len(n.elems))
	for i := range n.elems {
		c.path.push(index(i))
		pair := &n.elems[i]
		if pair.kind != isArray || len(pair.elems) != 2 {
			return nil, c.path.errorf("want a [key, value] array, found %s", pair.kind)
		}
		for j, of := range []*schema.Type{t.Key, t.Elem} {
			c.path.push(index(j))
			v, err := c.value(of, &pair.elems[j])
			if err != nil {
				return nil, err
			}
			c.path.pop()
			elems = append(elems, v)
		}
		c.path.pop()
	}
	return elems, nil
}

// hasTextForm reports whether the keys of a map are written as keys of an object.
func hasTextForm(t *schema.Type) bool {
	switch t.Kind {
	case schema.KindDouble, schema.KindStruct, schema.KindList, schema.KindSet, schema.KindMap, schema.KindStream:
		return false
	}
	return true
}

// keyNode makes the key of an object what it would be as a value.
func keyNode(t *schema.Type, s string) *node {
	if t.Kind == schema.KindBool && (s == "true" || s == "false") {
		return &node{kind: isBool, text: s}
	}
	return &node{kind: isString, text: s}
}

func (c *converter) fields(d *schema.Struct, n *node) ([]member, error) {
	if n.kind != isObject {
		return nil, c.want("an object", n)
	}
	byName := make(map[string]*node, len(n.elems))
	for i, name := range n.keys {
		if n.elems[i].kind != isNull {
			byName[name] = &n.elems[i]
		}
		if !hasField(d, name) {
			names := make([]string, 0, len(d.Fields))
			for _, f := range d.Fields {
				names = append(names, f.Name)
			}
			c.path.push("." + clip(name))
			if near := idl.Suggest(name, names); near != "" {
				return nil, c.path.errorf("no such field; did you mean %s?", near)
			}
			return nil, c.path.errorf("no such field; there are %s", some(names))
		}
	}
	members := make([]member, 0, len(byName))
	for _, f := range d.Fields {
		given := byName[f.Name]
		if given == nil && f.Requiredness == idl.RequirednessRequired && f.Default != nil {
			given = constant(f.Default)
		}
		c.path.push("." + f.Name)
		switch {
		case given != nil:
			v, err := c.value(f.Type, given)
			if err != nil {
				return nil, err
			}
			members = append(members, member{f.ID, v})
		case f.Requiredness == idl.RequirednessRequired:
			return nil, c.path.errorf("required field is missing")
		}
		c.path.pop()
	}
	if d.Kind == idl.StructUnion && len(members) != 1 {
		return nil, c.path.errorf("want exactly one member of union %s, found %d", d.Name, len(members))
	}
	return members, nil
}

func hasField(d *schema.Struct, name string) bool {
	for _, f := range d.Fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

// constant returns a value of the IDL as JSON.
func constant(v *schema.Value) *node {
	switch v.Type.Kind {
	case schema.KindBool:
		return &node{kind: isBool, text: strconv.FormatBool(v.Bool)}
	case schema.KindEnum:
		if v.Enum != nil {
			return &node{kind: isString, text: v.Enum.Name}
		}
	case schema.KindDouble:
		return doubleNode(v.Double)
	case schema.KindString:
		return &node{kind: isString, text: v.Str}
	case schema.KindBinary:
		return &node{kind: isString, text: base64.StdEncoding.EncodeToString([]byte(v.Str))}
	case schema.KindUUID:
		return &node{kind: isString, text: string(appendUUID(nil, v.UUID))}
	case schema.KindList, schema.KindSet:
		n := &node{kind: isArray}
		for _, elem := range v.List {
			n.elems = append(n.elems, *constant(elem))
		}
		return n
	case schema.KindMap:
		n := &node{kind: isArray}
		for _, p := range v.Map {
			n.elems = append(n.elems, node{kind: isArray, elems: []node{*constant(p.Key), *constant(p.Value)}})
		}
		return n
	case schema.KindStruct:
		n := &node{kind: isObject}
		for _, f := range v.Fields {
			n.keys, n.elems = append(n.keys, f.Field.Name), append(n.elems, *constant(f.Value))
		}
		return n
	}
	return &node{kind: isNumber, text: strconv.FormatInt(v.Int, 10)}
}

func doubleNode(f float64) *node {
	text := string(appendDouble(nil, f))
	if text[0] == '"' {
		return &node{kind: isString, text: strings.Trim(text, `"`)}
	}
	return &node{kind: isNumber, text: text}
}

// appendDouble writes a double with as many digits as it takes to read the same one again.
func appendDouble(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

func appendUUID(b []byte, u [16]byte) []byte {
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}
