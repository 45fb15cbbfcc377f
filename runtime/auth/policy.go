package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Policy is a list of rules that says who may call what. Its methods may be called concurrently.
//
//	default deny                          # what holds where no rule matches; the default of this line itself
//	deny   *                   Orders.drop
//	allow  tls:spiffe://prod/* Orders.*
//	allow  unix:root           kuafu.*
//	allow  *:*                 Health.*
//
// A rule is a verdict, a pattern for the identity as rpc.Identity's String returns it ("scram:alice", or "anonymous"), and
// a pattern for the method's full name. The first rule that matches both decides. In a pattern * stands for any
// characters, also none; everything else stands for itself, and case matters. So "*" is everybody and "*:*" everybody who
// has proved an identity. A pattern with blanks or # is written as a Go string, "tls:CN=Web server".
//
// The services whose names begin with "kuafu." are the system's: they are denied unless an allow rule matches whose method
// pattern begins with "kuafu." too. "allow * *" does not open them, and neither does "default allow".
type Policy struct {
	files *files // nil for ParsePolicy
	rules atomic.Pointer[rules]
}

type rules struct {
	allow bool // by default
	list  []rule
}

type rule struct {
	allow            bool
	identity, method string
}

const system = "kuafu."

// OpenPolicy reads a file of rules and watches it until Close. A file with an error changes nothing; the error is logged.
func OpenPolicy(path string, opts Options) (*Policy, error) {
	p := &Policy{}
	var err error
	p.files, err = watch("policy", []string{path}, opts, func(contents [][]byte) error { return p.take(contents[0]) })
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ParsePolicy is OpenPolicy for a text at hand.
func ParsePolicy(text string) (*Policy, error) {
	p := &Policy{}
	if err := p.take([]byte(text)); err != nil {
		return nil, fmt.Errorf("auth: policy: %w", err)
	}
	return p, nil
}

// Close stops watching. What has been read stays in force.
func (p *Policy) Close() {
	if p.files != nil {
		p.files.close()
	}
}

// Authorize implements rpc.Authorizer.
func (p *Policy) Authorize(_ context.Context, id rpc.Identity, m *rpc.Method) error {
	if p.rules.Load().allows(id.String(), m.FullName) {
		return nil
	}
	return rpc.Errorf(rpc.PermissionDenied, "%v may not call %s", id, m.FullName)
}

func (r *rules) allows(identity, method string) bool {
	ours := strings.HasPrefix(method, system)
	for _, rule := range r.list {
		if ours && rule.allow && !strings.HasPrefix(rule.method, system) {
			continue
		}
		if match(rule.method, method) && match(rule.identity, identity) {
			return rule.allow
		}
	}
	return r.allow && !ours
}

// match reports whether pattern, in which * stands for any characters, fits all of s. It takes time in proportion to the
// product of their lengths at most.
func match(pattern, s string) bool {
	prefix, rest, star := strings.Cut(pattern, "*")
	if !star {
		return s == pattern
	}
	if !strings.HasPrefix(s, prefix) {
		return false
	}
	s = s[len(prefix):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part) // the first fit leaves the most for what follows
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], after
	}
}

// take makes text the rules in force.
func (p *Policy) take(text []byte) error {
	r := &rules{}
	n, defaults := 0, 0
	for line := range bytes.Lines(text) {
		n++
		words, err := splitWords(string(line))
		switch {
		case err != nil:
		case len(words) == 0:
			continue
		case words[0] == "default":
			defaults++
			switch {
			case len(words) != 2:
				err = errors.New(`want "default allow" or "default deny"`)
			case defaults > 1:
				err = errors.New("a second default")
			default:
				r.allow, err = verdict(words[1])
			}
		case len(words) != 3:
			err = errors.New("want a verdict, an identity and a method")
		default:
			one := rule{identity: words[1], method: words[2]}
			if one.allow, err = verdict(words[0]); err == nil {
				r.list = append(r.list, one)
			}
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	p.rules.Store(r)
	return nil
}

func verdict(word string) (allow bool, err error) {
	switch word {
	case "allow":
		return true, nil
	case "deny":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither allow nor deny", word)
}

// splitWords cuts a line at blanks, up to a #. A word may be a Go string.
func splitWords(line string) (words []string, err error) {
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			return words, nil
		}
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, errors.New("a string does not end")
			}
			word, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			words, line = append(words, word), line[len(quoted):]
			if line != "" && !strings.ContainsRune(" \t\r\n#", rune(line[0])) {
				return nil, errors.New("a blank is missing after a string")
			}
			continue
		}
		end := strings.IndexAny(line, " \t\r\n#\"")
		switch {
		case end < 0:
			end = len(line)
		case line[end] == '#' || line[end] == '"':
			return nil, fmt.Errorf("a word with %c has to be a string", line[end])
		}
		words, line = append(words, line[:end]), line[end:]
	}
}
