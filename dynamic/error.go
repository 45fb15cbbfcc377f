package dynamic

import (
	"fmt"
	"strconv"
	"strings"
)

// Error says which part of the JSON does not fit the schema.
type Error struct {
	Path    string // like args.guest.names[3]
	Message string
}

// Error returns "args.guest.name: required field is missing".
func (e *Error) Error() string { return e.Path + ": " + e.Message }

// path is the way from the root to the value at hand.
type path []string

func (p path) String() string { return strings.Join(p, "") }

func (p *path) push(segment string) { *p = append(*p, segment) }
func (p *path) pop()                { *p = (*p)[:len(*p)-1] }

func (p path) errorf(format string, args ...any) error {
	return &Error{p.String(), fmt.Sprintf(format, args...)}
}

// index returns the segment of an element, key that of a map's value.
func index(i int) string { return "[" + strconv.Itoa(i) + "]" }
func key(s string) string {
	return "[" + string(appendString(nil, clip(s))) + "]"
}

// clip shortens what is quoted in a message.
func clip(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
