package codec

import (
	"errors"
	"fmt"
)

// Kind says what is wrong with a message, so that a server can choose the code of its answer.
type Kind uint8

const (
	Truncated    Kind = 1 // the input ends inside a value
	Malformed    Kind = 2 // bytes that no value of the type has: a negative length, an unknown type, an endless varint
	LimitReached Kind = 3 // too deep, too many elements, too long, or more memory than AllocFactor and AllocBase allow
	WrongType    Kind = 4 // a container whose element types are not the declared ones
	FieldMissing Kind = 5 // a required field is absent
	BadUnion     Kind = 6 // a union without exactly one member
	Unsupported  Kind = 7 // an encoding that this package does not have
)

var kindNames = [...]string{
	Truncated: "truncated", Malformed: "malformed", LimitReached: "limit reached", WrongType: "wrong type",
	FieldMissing: "field missing", BadUnion: "bad union", Unsupported: "unsupported",
}

// String returns the kind in words, "kind(n)" for a number that has none.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is the error of everything this package refuses to read or write.
type Error struct {
	Kind    Kind
	Offset  int    // bytes read or written before the offending item; negative where there is no position
	Message string // what was found, and what was expected
}

// Error returns "codec: malformed at offset 17: string of length -3".
func (e *Error) Error() string {
	if e.Offset < 0 {
		return "codec: " + e.Kind.String() + ": " + e.Message
	}
	return fmt.Sprintf("codec: %s at offset %d: %s", e.Kind, e.Offset, e.Message)
}

// KindOf returns the kind of the first *Error in err's chain, 0 if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// MissingField returns the error for a required field that did not arrive, or that was not set before writing. Pass it
// to Fail, which adds the offset.
func MissingField(structName, fieldName string) error {
	return unplaced(FieldMissing, "required field %s.%s is not set", structName, fieldName)
}

// UnionError returns the error for a union with set members instead of one. Pass it to Fail, which adds the offset.
func UnionError(name string, set int) error {
	return unplaced(BadUnion, "union %s has %d members set, want exactly 1", name, set)
}

// unplaced returns an error whose offset is to be filled in.
func unplaced(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Offset: -1, Message: fmt.Sprintf(format, args...)}
}

// at returns err with the offset filled in, if it is an *Error that has none.
func at(err error, offset int) error {
	if e, ok := err.(*Error); ok && e.Offset < 0 {
		c := *e
		c.Offset = offset
		return &c
	}
	return err
}
