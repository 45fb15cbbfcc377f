package dynamic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxNesting bounds how deep JSON may be nested. A message has up to 64 structs in one another, with containers between.
const maxNesting = 1000

// node is a JSON value. Unlike what package json decodes into, it keeps numbers as they are written and objects in
// order.
type node struct {
	kind  kind
	text  string   // of a bool, number or string
	keys  []string // of an object
	elems []node   // of an array or object
}

type kind uint8

const (
	isNull kind = iota
	isBool
	isNumber
	isString
	isArray
	isObject
)

// String returns the kind as error messages name it.
func (k kind) String() string {
	return [...]string{"null", "a bool", "a number", "a string", "an array", "an object"}[k]
}

// parseJSON reads one JSON value and nothing after it.
func parseJSON(text []byte) (*node, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	n := new(node)
	if err := n.read(dec, 0); err != nil {
		return nil, place(err, text, dec.InputOffset())
	}
	end := dec.InputOffset()
	if rest := bytes.TrimLeft(text[end:], " \t\r\n"); len(rest) > 0 {
		return nil, place(errors.New("more after the JSON value"), text, int64(len(text)-len(rest)))
	}
	return n, nil
}

// place adds to an error where in the text it is: behind offset bytes, unless it says so itself.
func place(err error, text []byte, offset int64) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = syntax.Offset
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err, offset = errors.New("unexpected end"), int64(len(text))
	}
	before := string(text[:min(int(offset), len(text))])
	line := strings.Count(before, "\n") + 1
	col := len(before) - strings.LastIndex(before, "\n")
	return fmt.Errorf("JSON: line %d, column %d: %w", line, col, err)
}

func (n *node) read(dec *json.Decoder, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("more than %d values in one another", maxNesting)
	}
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	switch tok := tok.(type) {
	case nil:
		n.kind = isNull
	case bool:
		n.kind, n.text = isBool, fmt.Sprint(tok)
	case json.Number:
		n.kind, n.text = isNumber, tok.String()
	case string:
		n.kind, n.text = isString, tok
	case json.Delim:
		if tok == '[' {
			return n.readArray(dec, depth)
		}
		return n.readObject(dec, depth)
	}
	return nil
}

func (n *node) readArray(dec *json.Decoder, depth int) error {
	n.kind = isArray
	for dec.More() {
		var elem node
		if err := elem.read(dec, depth+1); err != nil {
			return err
		}
		n.elems = append(n.elems, elem)
	}
	_, err := dec.Token()
	return err
}

func (n *node) readObject(dec *json.Decoder, depth int) error {
	n.kind = isObject
	seen := make(map[string]bool)
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key := tok.(string) // the decoder lets nothing else through
		if seen[key] {
			return fmt.Errorf("%q is given twice", key)
		}
		seen[key] = true
		var elem node
		if err := elem.read(dec, depth+1); err != nil {
			return err
		}
		n.keys, n.elems = append(n.keys, key), append(n.elems, elem)
	}
	_, err := dec.Token()
	return err
}

// append writes n as JSON.
func (n *node) append(b []byte) []byte {
	switch n.kind {
	case isNull:
		return append(b, "null"...)
	case isBool, isNumber:
		return append(b, n.text...)
	case isString:
		return appendString(b, n.text)
	case isArray:
		b = append(b, '[')
		for i := range n.elems {
			if i > 0 {
				b = append(b, ',')
			}
			b = n.elems[i].append(b)
		}
		return append(b, ']')
	}
	b = append(b, '{')
	for i := range n.elems {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, n.keys[i]), ':')
		b = n.elems[i].append(b)
	}
	return append(b, '}')
}

const hexDigits = "0123456789abcdef"

// appendString writes s as a JSON string. What is not UTF-8 becomes the replacement character.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of what can be copied as it is
	for i := 0; i < len(s); {
		c := s[i]
		size := 1
		switch {
		case c >= utf8.RuneSelf:
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), string(utf8.RuneError)...)
				start = i + 1
			}
		case c < 0x20 || c == '"' || c == '\\' || c == 0x7f:
			b = appendEscape(append(b, s[start:i]...), c)
			start = i + 1
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\t':
		return append(b, `\t`...)
	case '\r':
		return append(b, `\r`...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
