package idl

// This file is the syntax tree. Its sets are closed: a marker method on each node names the set it belongs to, so a
// switch over one of them can be complete.

// Pos is a place in a source file. Line and Col count from 1, Col in bytes; Offset counts bytes from 0. The zero Pos
// means "nowhere".
type Pos struct {
	Offset, Line, Col int
}

// IsValid reports whether p is a place in a file.
func (p Pos) IsValid() bool { return p.Line > 0 }

// Span is the half-open range [Start, End) of one file's bytes.
type Span struct {
	Start, End Pos
}

// File is one parsed source file. A File that came with errors holds every definition that could be read.
type File struct {
	Name        string // as it was given to Parse; used in diagnostics only
	Source      []byte // the bytes that were parsed, not copied
	Doc         string // the text of the file's own doc comment, markers stripped; empty if none
	Headers     []Header
	Definitions []Definition
	Comments    []Comment // every comment, in source order
}

// Comment is one comment as it stands in the source, markers included.
type Comment struct {
	Span Span
	Text string
}

// Ident is a name where it stands. Names of references may hold dots.
type Ident struct {
	Span Span
	Name string
}

// Literal is a quoted string with its escapes resolved.
type Literal struct {
	Span  Span
	Value string
}

// Annotation is one (name = "value") pair. A name without a value has Value "1" and HasValue false. Repeated names are
// kept, in order.
type Annotation struct {
	Span     Span
	Name     Ident
	Value    Literal
	HasValue bool
}

// Header is an Include, a CppInclude or a Namespace.
type Header interface {
	header()
	Range() Span
}

// Include is: include "path.thrift"
type Include struct {
	Span Span
	Path Literal
}

// CppInclude is: cpp_include "header.h". It means nothing to Go and is kept for other tools.
type CppInclude struct {
	Span Span
	Path Literal
}

// Namespace is: namespace go a.b.c. Scope is "*" for all languages. The legacy forms (cpp_namespace x, java_package x,
// and so on) become a Namespace of the scope they mean.
type Namespace struct {
	Span        Span
	Scope       Ident
	Name        Ident
	Annotations []Annotation
}

func (*Include) header()    {}
func (*CppInclude) header() {}
func (*Namespace) header()  {}

func (h *Include) Range() Span    { return h.Span }
func (h *CppInclude) Range() Span { return h.Span }
func (h *Namespace) Range() Span  { return h.Span }

// Definition is a Const, Typedef, Enum, Struct or Service.
type Definition interface {
	definition()
	Range() Span
	Ident() Ident // the name that is defined
	DocText() string
}

// Const is: const i32 Answer = 42
type Const struct {
	Span  Span
	Doc   string
	Type  Type
	Name  Ident
	Value Value
}

// Typedef is: typedef i64 UserID. A legacy senum is a Typedef of string.
type Typedef struct {
	Span        Span
	Doc         string
	Type        Type
	Name        Ident
	Annotations []Annotation
}

// Enum is: enum Color { RED = 1, GREEN }
type Enum struct {
	Span        Span
	Doc         string
	Name        Ident
	Values      []*EnumValue
	Annotations []Annotation
}

// EnumValue is one name of an enum. Value is nil where the source leaves it out.
type EnumValue struct {
	Span        Span
	Doc         string
	Name        Ident
	Value       *IntValue
	Annotations []Annotation
}

// StructKind tells the three kinds of Struct apart.
type StructKind int

const (
	StructStruct StructKind = iota
	StructUnion
	StructException
)

// String returns the keyword of the kind.
func (k StructKind) String() string { return [...]string{"struct", "union", "exception"}[k] }

// Struct is a struct, union or exception.
type Struct struct {
	Span        Span
	Doc         string
	Kind        StructKind
	Name        Ident
	XsdAll      bool
	Fields      []*Field
	Annotations []Annotation
}

// Requiredness is what stands before a field's type.
type Requiredness int

const (
	RequirednessDefault Requiredness = iota // neither word: written always, may be absent when read
	RequirednessRequired
	RequirednessOptional
)

// Field is a member of a struct, an argument of a function or an exception that it throws.
type Field struct {
	Span         Span
	Doc          string
	ID           *IntValue // nil where the source leaves the id out
	Requiredness Requiredness
	ReqSpan      Span // the word "required" or "optional"; zero if absent
	Type         Type
	Reference    bool // the & of C++; kept, recursion needs no mark here
	Name         Ident
	Default      Value // nil if none
	XsdOptional  bool
	XsdNillable  bool
	XsdAttrs     []*Field
	Annotations  []Annotation
}

// Service is: service Echo extends Base { ... }
type Service struct {
	Span        Span
	Doc         string
	Name        Ident
	Extends     *Ident // nil if none
	Functions   []*Function
	Annotations []Annotation
}

// Function is one method of a service.
type Function struct {
	Span        Span
	Doc         string
	Oneway      bool
	OnewaySpan  Span // the word "oneway" or "async"
	Result      Type // nil means void
	ResultSpan  Span // the result type or the word "void"
	Name        Ident
	Args        []*Field
	Throws      []*Field
	Annotations []Annotation
}

func (*Const) definition()   {}
func (*Typedef) definition() {}
func (*Enum) definition()    {}
func (*Struct) definition()  {}
func (*Service) definition() {}

func (d *Const) Range() Span   { return d.Span }
func (d *Typedef) Range() Span { return d.Span }
func (d *Enum) Range() Span    { return d.Span }
func (d *Struct) Range() Span  { return d.Span }
func (d *Service) Range() Span { return d.Span }

func (d *Const) Ident() Ident   { return d.Name }
func (d *Typedef) Ident() Ident { return d.Name }
func (d *Enum) Ident() Ident    { return d.Name }
func (d *Struct) Ident() Ident  { return d.Name }
func (d *Service) Ident() Ident { return d.Name }

func (d *Const) DocText() string   { return d.Doc }
func (d *Typedef) DocText() string { return d.Doc }
func (d *Enum) DocText() string    { return d.Doc }
func (d *Struct) DocText() string  { return d.Doc }
func (d *Service) DocText() string { return d.Doc }

// Type is a BaseType, NamedType, ListType, SetType, MapType or StreamType.
type Type interface {
	typ()
	Range() Span
}

// BaseType is a built-in type by its canonical name: bool i8 i16 i32 i64 double string binary uuid. The source's "byte"
// is i8, "slist" is string.
type BaseType struct {
	Span        Span
	Name        string
	Annotations []Annotation
}

// NamedType refers to a definition of this file ("Color") or of a direct include ("shared.Color").
type NamedType struct {
	Span Span
	Name string
}

// ListType is: list<i32>
type ListType struct {
	Span        Span
	Elem        Type
	CppType     *Literal
	Annotations []Annotation
}

// SetType is: set<i32>
type SetType struct {
	Span        Span
	Elem        Type
	CppType     *Literal
	Annotations []Annotation
}

// MapType is: map<string, i32>
type MapType struct {
	Span        Span
	Key, Value  Type
	CppType     *Literal
	Annotations []Annotation
}

// StreamType is: stream<Chunk>. It is legal as a function's result and as its last argument.
type StreamType struct {
	Span        Span
	Elem        Type
	Annotations []Annotation
}

func (*BaseType) typ()   {}
func (*NamedType) typ()  {}
func (*ListType) typ()   {}
func (*SetType) typ()    {}
func (*MapType) typ()    {}
func (*StreamType) typ() {}

func (t *BaseType) Range() Span   { return t.Span }
func (t *NamedType) Range() Span  { return t.Span }
func (t *ListType) Range() Span   { return t.Span }
func (t *SetType) Range() Span    { return t.Span }
func (t *MapType) Range() Span    { return t.Span }
func (t *StreamType) Range() Span { return t.Span }

// Value is an IntValue, DoubleValue, StringValue, IdentValue, ListValue or MapValue.
type Value interface {
	value()
	Range() Span
}

// IntValue is an integer; true and false are the integers 1 and 0 and keep their spelling in Text.
type IntValue struct {
	Span  Span
	Value int64
	Text  string
}

// DoubleValue is a floating-point constant.
type DoubleValue struct {
	Span  Span
	Value float64
	Text  string
}

// StringValue is a quoted constant.
type StringValue struct {
	Span  Span
	Value string
}

// IdentValue refers to a constant or to an enum's value: Answer, Color.RED, shared.Color.RED.
type IdentValue struct {
	Span Span
	Name string
}

// ListValue is: [1, 2, 3]
type ListValue struct {
	Span  Span
	Elems []Value
}

// MapValue is: {"a": 1, "b": 2}. It also stands for struct constants, whose keys are field names.
type MapValue struct {
	Span    Span
	Entries []MapEntry
}

// MapEntry is one pair of a MapValue.
type MapEntry struct {
	Key, Value Value
}

func (*IntValue) value()    {}
func (*DoubleValue) value() {}
func (*StringValue) value() {}
func (*IdentValue) value()  {}
func (*ListValue) value()   {}
func (*MapValue) value()    {}

func (v *IntValue) Range() Span    { return v.Span }
func (v *DoubleValue) Range() Span { return v.Span }
func (v *StringValue) Range() Span { return v.Span }
func (v *IdentValue) Range() Span  { return v.Span }
func (v *ListValue) Range() Span   { return v.Span }
func (v *MapValue) Range() Span    { return v.Span }
