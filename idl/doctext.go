package idl

import "strings"

// isDocComment reports whether a block comment documents something: it starts with /** and is not only stars.
func isDocComment(text string) bool {
	return strings.HasPrefix(text, "/**") && strings.Trim(text, "/*") != ""
}

// docText is what a doc comment says: without its markers, the column of stars, and the indentation that its lines share.
func docText(comment string) string {
	text := strings.TrimRight(strings.TrimSuffix(strings.TrimPrefix(comment, "/**"), "*/"), "*")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\r")
	}
	lines[0] = strings.TrimLeft(strings.TrimLeft(lines[0], "*"), " \t")
	rest := lines[1:]
	if starred(rest) {
		for i, line := range rest {
			rest[i] = strings.TrimPrefix(strings.TrimLeft(line, " \t"), "*")
		}
	}
	indent := commonIndent(rest)
	for i, line := range rest {
		rest[i] = line[min(indent, len(line)):]
	}
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}

// starred reports whether every line that says something starts with a star.
func starred(lines []string) bool {
	for _, line := range lines {
		if line = strings.TrimLeft(line, " \t"); line != "" && line[0] != '*' {
			return false
		}
	}
	return true
}

// commonIndent is the number of blanks that all lines with text start with.
func commonIndent(lines []string) int {
	indent := -1
	for _, line := range lines {
		if n := len(line) - len(strings.TrimLeft(line, " \t")); n < len(line) && (indent < 0 || n < indent) {
			indent = n
		}
	}
	return max(indent, 0)
}
