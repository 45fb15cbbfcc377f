package schema

import "github.com/kuafu-rpc/kuafu/idl"

// This file is what a generator sees: every name resolved, every constant folded to the type it is used at, every field
// with its id. Nothing here needs a further look-up, and nothing here is changed after Load.

// Program is a set of linked files: the ones asked for and all that they include.
type Program struct {
	Files []*File // includes before their includers, each once; deterministic
	Roots []*File // the files asked for, in the order given
}

// File is one linked source file.
type File struct {
	Path     string // cleaned path as found, relative where the request was relative
	Base     string // base name without extension: the prefix other files refer to it by
	AST      *idl.File
	Includes []*File // direct includes in source order

	Consts   []*Const
	Typedefs []*Typedef
	Enums    []*Enum
	Structs  []*Struct // structs, unions and exceptions
	Services []*Service
	Order    []Definition // all of the above in source order
}

// Namespace returns the name given for a scope ("go"), else the one for "*", else "". Of several for one scope the last
// counts.
func (f *File) Namespace(scope string) string {
	name, fallback := "", ""
	for _, h := range f.AST.Headers {
		if ns, ok := h.(*idl.Namespace); ok {
			switch ns.Scope.Name {
			case scope:
				name = ns.Name.Name
			case "*":
				fallback = ns.Name.Name
			}
		}
	}
	if name != "" {
		return name
	}
	return fallback
}

// Definition is a *Const, *Typedef, *Enum, *Struct or *Service.
type Definition interface {
	definition()
	DefName() string
	DefFile() *File
}

// Kind is the shape of a type after its typedefs are looked through.
type Kind int

const (
	KindBool Kind = iota
	KindI8
	KindI16
	KindI32
	KindI64
	KindDouble
	KindString
	KindBinary
	KindUUID
	KindEnum
	KindStruct // struct, union or exception
	KindList
	KindSet
	KindMap
	KindStream
)

// Type is a resolved type. A reference through a typedef keeps the Typedef, and Kind, Elem, ... describe what it
// finally stands for, so a reader that does not care for names never meets one.
type Type struct {
	Kind        Kind
	Typedef     *Typedef // the outermost typedef this was written as; nil if none. Typedef.Type is one step further
	Enum        *Enum    // KindEnum
	Struct      *Struct  // KindStruct
	Key         *Type    // KindMap
	Elem        *Type    // KindList, KindSet, KindStream; the value of KindMap
	Annotations []idl.Annotation
}

// Const is a typed constant.
type Const struct {
	File  *File
	AST   *idl.Const
	Name  string
	Doc   string
	Type  *Type
	Value *Value
}

// Typedef is a second name for a type.
type Typedef struct {
	File        *File
	AST         *idl.Typedef
	Name        string
	Doc         string
	Type        *Type
	Annotations []idl.Annotation
}

// Enum is a set of named 32-bit values, in source order. Two names may share one value.
type Enum struct {
	File        *File
	AST         *idl.Enum
	Name        string
	Doc         string
	Values      []*EnumValue
	Annotations []idl.Annotation
}

// EnumValue is one name of an Enum.
type EnumValue struct {
	Enum        *Enum
	Name        string
	Doc         string
	Value       int32
	Annotations []idl.Annotation
}

// Struct is a struct, union or exception.
type Struct struct {
	File        *File
	AST         *idl.Struct
	Kind        idl.StructKind
	Name        string
	Doc         string
	Fields      []*Field // in source order
	Failure     Failure  // of exceptions
	Annotations []idl.Annotation
}

// Failure says of an exception whether a call that ended with it may do better when it is made again.
type Failure int

const (
	FailureUnset     Failure = iota // nobody has said
	FailureTransient                // (failure = "transient")
	FailurePermanent                // (failure = "permanent")
)

// Field is a struct's member, a function's argument or a declared exception.
type Field struct {
	AST          *idl.Field
	ID           int16
	Name         string
	Doc          string
	Requiredness idl.Requiredness // union members and declared exceptions: always optional. Arguments: never optional
	Type         *Type
	Default      *Value // nil if none
	// Recursive is set where the field's struct can be reached again from its type through structs alone (no list, set
	// or map between), so that a value of it cannot be stored in line.
	Recursive   bool
	Annotations []idl.Annotation
}

// Retry says what a client may do when it does not know whether a call was executed.
type Retry int

const (
	RetryUnset      Retry = iota // retried only when the call provably never reached a handler
	RetryNever                   // (retry = "never")
	RetryIdempotent              // (retry = "idempotent")
	RetryAtMostOnce              // (retry = "at_most_once")
)

// Service is a set of functions.
type Service struct {
	File        *File
	AST         *idl.Service
	Name        string
	Doc         string
	Extends     *Service    // nil if none
	Functions   []*Function // own ones only, in source order
	Annotations []idl.Annotation
}

// AllFunctions returns the functions of s and of everything it extends, the most distant ancestor's first.
func (s *Service) AllFunctions() []*Function {
	var all []*Function
	if s.Extends != nil {
		all = s.Extends.AllFunctions()
	}
	return append(all, s.Functions...)
}

// Function is one method.
type Function struct {
	Service *Service // the one that declares it
	AST     *idl.Function
	Name    string
	Doc     string
	Oneway  bool
	Result  *Type // nil means void; KindStream for a stream result
	Args    []*Field
	Throws  []*Field

	Retry       Retry
	TimeoutNano int64  // (timeout = "500ms") in nanoseconds; 0 if unset
	Priority    string // (priority = "high"): "high", "normal", "low" or ""
	Compress    string // (compress = "snappy"): "snappy", "none" or ""
	Annotations []idl.Annotation
}

func (*Const) definition()   {}
func (*Typedef) definition() {}
func (*Enum) definition()    {}
func (*Struct) definition()  {}
func (*Service) definition() {}

func (d *Const) DefName() string   { return d.Name }
func (d *Typedef) DefName() string { return d.Name }
func (d *Enum) DefName() string    { return d.Name }
func (d *Struct) DefName() string  { return d.Name }
func (d *Service) DefName() string { return d.Name }

func (d *Const) DefFile() *File   { return d.File }
func (d *Typedef) DefFile() *File { return d.File }
func (d *Enum) DefFile() *File    { return d.File }
func (d *Struct) DefFile() *File  { return d.File }
func (d *Service) DefFile() *File { return d.File }

// Value is a constant folded to the type it is used at. Exactly the fields that belong to Type.Kind are set. References
// are resolved by value: a constant that names another has its value, and Ref says which one it named. The parts of
// that value may be shared with other constants; all references of a program together stand for at most 2^20 values, so
// a walk that ignores sharing ends soon.
//
// A map has no two equal keys, a set no two equal elements, a struct no field twice. A struct constant holds what was
// written: fields that it leaves out are left out here, even where they have a default of their own.
type Value struct {
	Type   *Type
	Ref    *Const // the constant that was named, nil if written out; its type may differ. A generator may ignore it
	Bool   bool
	Int    int64      // KindI8 .. KindI64, KindEnum
	Enum   *EnumValue // KindEnum: nil where no name has this value
	Double float64
	Str    string   // KindString, KindBinary
	UUID   [16]byte // KindUUID
	List   []*Value // KindList, KindSet
	Map    []Pair   // KindMap, in source order
	Fields []FieldValue
}

// Pair is one entry of a map constant.
type Pair struct {
	Key, Value *Value
}

// FieldValue is one member of a struct constant, in source order.
type FieldValue struct {
	Field *Field
	Value *Value
}
