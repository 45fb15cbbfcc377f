package gen

// Codes of the diagnostics of this package. A code keeps its meaning for ever: tools filter by it. E200 is retired.
const (
	codeImportCycle  = "E201"
	codeOutputClash  = "E202"
	codePackageClash = "E203"
	codePackagePath  = "E204"
	codeInlineSize   = "E205"
	codeDefaultCycle = "E206"

	codeTag = "W200"
)

// Code names one kind of diagnostic.
type Code struct {
	Code        string // "E201" or "W200"
	Explanation string // one sentence
}

// Codes lists every code that Generate gives, errors first, in the order of their numbers. The caller owns the slice.
func Codes() []Code {
	return []Code{
		{codeImportCycle, "The Go packages of several files would import one another."},
		{codeOutputClash, "Two files would be generated to one path."},
		{codePackageClash, "Two Go packages would share one directory, or one package would have two names or directories."},
		{codePackagePath, "A Go package path holds something else than letters, digits and the punctuation of import paths."},
		{codeInlineSize, "A struct that holds others by value is too large to be a Go value."},
		{codeDefaultCycle, "The default values of a struct contain another value of that struct, without end."},

		{codeTag, "A go.tag annotation is not a well-formed Go struct tag."},
	}
}
