package gen

import "strings"

// This file turns IDL names into Go names. It knows nothing of schemas; names.go applies it.

// initialisms are the words that Go writes in capitals, in lower case.
var initialisms = map[string]bool{
	"acl": true, "api": true, "ascii": true, "cpu": true, "crc": true, "css": true, "dns": true, "eof": true,
	"gid": true, "guid": true, "html": true, "http": true, "https": true, "id": true, "io": true, "ip": true,
	"json": true, "lhs": true, "os": true, "pid": true, "qps": true, "ram": true, "rhs": true, "rpc": true,
	"sla": true, "smtp": true, "sql": true, "ssh": true, "tcp": true, "tls": true, "ttl": true, "udp": true,
	"ui": true, "uid": true, "uri": true, "url": true, "utf8": true, "uuid": true, "vm": true, "xml": true,
	"xmpp": true, "xsrf": true, "xss": true,
}

// exportedName turns an IDL name into an exported Go name: user_id, userId and UserID become UserID, DARK_BLUE becomes
// DarkBlue.
func exportedName(name string) string { return strings.Join(nameParts(name), "") }

// unexportedName is exportedName with the first word in lower case: URLPath and url_path become urlPath.
func unexportedName(name string) string {
	parts := nameParts(name)
	parts[0] = strings.ToLower(parts[0])
	return strings.Join(parts, "")
}

// nameParts returns the words of a name as they stand in an exported Go name; there is at least one.
func nameParts(name string) []string {
	var parts []string
	for _, w := range words(name) {
		part := capitalized(w)
		switch n := len(parts); {
		case n == 0 && !isUpper(part[0]):
			part = "X" + part // a digit cannot come first
		case n > 0 && isDigit(parts[n-1][len(parts[n-1])-1]) && isDigit(part[0]):
			part = "_" + part // v1_2 is not v12
		}
		parts = append(parts, part)
	}
	if parts == nil {
		return []string{"X"} // nothing but underscores
	}
	return parts
}

// capitalized returns a word in the case it has inside a Go name.
func capitalized(w string) string {
	lower := strings.ToLower(w)
	stem := strings.TrimRight(lower, "0123456789")
	switch {
	case initialisms[lower] || initialisms[stem]:
		return strings.ToUpper(w)
	case strings.HasSuffix(lower, "s") && initialisms[lower[:len(lower)-1]]:
		return strings.ToUpper(w[:len(w)-1]) + "s"
	}
	return strings.ToUpper(w[:1]) + w[1:]
}

// words cuts a name at underscores, dots and changes of case: HTTPServer_id is HTTP, Server, id. A name without any
// lower-case letter has its words in lower case.
func words(name string) []string {
	shouting := strings.ToUpper(name) == name
	var out []string
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '.' }) {
		if shouting {
			out = append(out, strings.ToLower(part))
			continue
		}
		start := 0
		for i := 1; i < len(part); i++ {
			up := isUpper(part[i])
			afterLower := up && !isUpper(part[i-1])                                        // userId: user, Id
			lastOfRun := up && isUpper(part[i-1]) && i+1 < len(part) && isLower(part[i+1]) // HTTPServer: HTTP, Server
			if lastOfRun && part[i+1:] == "s" && initialisms[strings.ToLower(part[start:i+1])] {
				lastOfRun = false // userIDs: user, IDs
			}
			if afterLower || lastOfRun {
				out = append(out, part[start:i])
				start = i
			}
		}
		out = append(out, part[start:])
	}
	return out
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// reservedWords are the keywords and predeclared identifiers of Go, and the two names that a package cannot be
// imported by.
var reservedWords = wordSet(`
	break case chan const continue default defer else fallthrough for func go goto if import interface map package range
	return select struct switch type var
	any bool byte comparable complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string uint uint8
	uint16 uint32 uint64 uintptr true false iota nil append cap clear close complex copy delete imag len make max min new
	panic print println real recover
	init main`)

// localNames are what generated function bodies declare, and the packages that every file may import. No other package
// is imported under one of them.
var localNames = func() map[string]bool {
	set := wordSet(`
		context errors fmt math strconv strings time rpc codec
		a args b c call ctx d e err f impl m outer r set success text`)
	for _, letter := range loopNames { // one for each level of nested containers
		for name := letter; len(name) <= maxNesting; name += letter {
			set[name] = true
		}
	}
	return set
}()

// loopNames are the variables of loops over containers; local repeats them by depth.
var loopNames = []string{"i", "k", "n", "p", "s", "v"}

// maxNesting is how deep the linked schema nests containers.
const maxNesting = 64

// local returns the variable called letter at a depth of nested loops: s, ss, sss.
func local(letter string, depth int) string { return strings.Repeat(letter, depth+1) }

// clientNames are what a client's methods use besides their parameters.
var clientNames = wordSet("context rpc codec ctx c call err r")

// scope hands out identifiers. A name that is taken gets underscores until it is free.
type scope map[string]bool

func newScope(taken ...map[string]bool) scope {
	s := make(scope)
	for _, t := range taken {
		for name := range t {
			s[name] = true
		}
	}
	return s
}

// claim takes name, or the first free name after it.
func (s scope) claim(name string) string {
	for s[name] {
		name += "_"
	}
	s[name] = true
	return name
}

func wordSet(list string) map[string]bool {
	set := make(map[string]bool)
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}
