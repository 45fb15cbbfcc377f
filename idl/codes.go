package idl

// Codes of the diagnostics of this package. A code keeps its meaning for ever: tools filter by it.
const (
	codeBadCharacter       = "E001"
	codeUnterminatedString = "E002"
	codeUnterminatedNote   = "E003"
	codeBadEscape          = "E004"
	codeIntegerRange       = "E005"
	codeBadName            = "E006"
	codeTooDeep            = "E007"
	codeTooManyErrors      = "E008"
	codeTooLarge           = "E009"
	codeUnexpected         = "E010"
	codeUnknownDefinition  = "E011"
	codeUnclosed           = "E012"
	codeUnopened           = "E013"
	codeLateHeader         = "E014"
	codeNested             = "E015"
	codeKeywordName        = "E016"
	codeUnknownContainer   = "E017"
	codeQuotedName         = "E018"
	codeAnnotationValue    = "E019"
	codeMisplacedVoid      = "E020"
	codeDottedName         = "E021"

	codeAsync           = "W001"
	codeSenum           = "W002"
	codeSlist           = "W003"
	codeLegacyNamespace = "W004"
	codeStraySeparator  = "W005"
	codeLateCppType     = "W006"
	codeNoDigits        = "W007"
)

// Code names one kind of diagnostic.
type Code struct {
	Code        string // "E012" or "W005"
	Explanation string // one sentence
}

// Codes lists every code that Parse gives, errors first, in the order of their numbers. The caller owns the slice.
func Codes() []Code {
	return []Code{
		{codeBadCharacter, "A character that no token can hold, outside of strings and comments."},
		{codeUnterminatedString, "A string does not end on the line that it starts on."},
		{codeUnterminatedNote, "A comment opened with /* has no */."},
		{codeBadEscape, `An escape other than \r \n \t \" \' \\ in a string.`},
		{codeIntegerRange, "An integer does not fit in 64 bits."},
		{codeBadName, "A name holds something else than ASCII letters, digits, underscores and inner dots."},
		{codeTooDeep, "Brackets are nested deeper than the parser follows."},
		{codeTooManyErrors, "The file has so many errors that the rest of it was not read."},
		{codeTooLarge, "The file is larger than the parser reads."},
		{codeUnexpected, "A token stands where the grammar wants another one."},
		{codeUnknownDefinition, "A definition starts with a word that is no definition keyword."},
		{codeUnclosed, "A bracket is opened and never closed."},
		{codeUnopened, "A bracket is closed that was never opened."},
		{codeLateHeader, "An include or namespace stands after the first definition."},
		{codeNested, "A definition stands inside another one."},
		{codeKeywordName, "A keyword is used as a name where only identifiers are allowed."},
		{codeUnknownContainer, "A name with type arguments is none of list, set, map and stream."},
		{codeQuotedName, "A name is written as a string."},
		{codeAnnotationValue, "The value of an annotation is not a string."},
		{codeMisplacedVoid, "The type void is used for something else than a function's result."},
		{codeDottedName, "A name that is being defined holds a dot."},

		{codeAsync, "The word async is the old spelling of oneway."},
		{codeSenum, "A senum is read as a typedef of string."},
		{codeSlist, "The type slist is read as string."},
		{codeLegacyNamespace, "An old namespace word such as java_package is read as a namespace of its language."},
		{codeStraySeparator, "A comma or semicolon stands after a header or definition, where Apache's compiler rejects it."},
		{codeLateCppType, "The cpp_type of a list stands after its element type."},
		{codeNoDigits, "A number without digits is read as 0.0."},
	}
}
