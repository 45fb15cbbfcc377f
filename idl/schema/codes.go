package schema

// Code names one kind of diagnostic of this package.
type Code struct {
	Code        string // "E111" or "W050"
	Explanation string // one sentence
	Strict      bool   // a warning that Options.Strict turns into an error
}

// Codes of the diagnostics of this package. A code keeps its meaning for ever: tools filter by it.
const (
	codeUnreadable       = "E100"
	codeMissingInclude   = "E101"
	codeIncludeCycle     = "E102"
	codeIncludeAmbiguous = "E103"
	codeTooManyFiles     = "E104"

	codeDuplicateName = "E110"
	codeUnknownType   = "E111"
	codeWrongKind     = "E112"
	codeTypedefCycle  = "E113"
	codeTypeTooLarge  = "E114"

	codeDuplicateEnumName = "E120"
	codeEnumRange         = "E121"

	codeFieldIDRange       = "E130"
	codeDuplicateFieldID   = "E131"
	codeDuplicateFieldName = "E132"
	codeUnionDefaults      = "E133"
	codeThrowsType         = "E134"

	codeUnknownService    = "E140"
	codeExtendsCycle      = "E141"
	codeExtendsDepth      = "E142"
	codeDuplicateFunction = "E143"
	codeOnewayResult      = "E144"
	codeOnewayThrows      = "E145"
	codeStreamPlace       = "E146"
	codeOnewayStream      = "E147"

	codeAnnotationValue = "E150"
	codeAnnotationTwice = "E151"

	codeValueType     = "E160"
	codeValueRange    = "E161"
	codeUnknownConst  = "E162"
	codeUnqualified   = "E163"
	codeNotMember     = "E164"
	codeConstCycle    = "E165"
	codeConstTooLarge = "E166"
	codeUUID          = "E167"
	codeUnknownField  = "E168"
	codeStructKey     = "E169"
	codeUnionConstant = "E170"

	codeNoFieldID      = "W050"
	codeFieldIDIgnored = "W051"
	codeUnionRequired  = "W052"
	codeOptionalArg    = "W053"
	codeRequiredThrow  = "W054"
	codeEnumQualifier  = "W055"
	codeDuplicateKey   = "W056"
	codeIncludedTwice  = "W057"
	codeNamespaceTwice = "W058"
	codeBoolInteger    = "W059"
	codeEmptyUnion     = "W060"
	codeInfiniteStruct = "W061"
)

var codes = []Code{
	{Code: codeUnreadable, Explanation: "A source file cannot be read."},
	{Code: codeMissingInclude, Explanation: "An included file is in none of the searched places."},
	{Code: codeIncludeCycle, Explanation: "A file includes itself, directly or through others."},
	{Code: codeIncludeAmbiguous, Explanation: "Two includes of one file have the same base name, which is the prefix of their names."},
	{Code: codeTooManyFiles, Explanation: "The program has more files than the compiler takes."},

	{Code: codeDuplicateName, Explanation: "A file defines two types, two constants or two services of one name."},
	{Code: codeUnknownType, Explanation: "A type is defined neither in its file nor in a direct include."},
	{Code: codeWrongKind, Explanation: "A name stands where another kind of definition is needed."},
	{Code: codeTypedefCycle, Explanation: "A typedef stands for itself, directly or through others."},
	{Code: codeTypeTooLarge, Explanation: "A type nests too deeply, or has too many parts after its typedefs are replaced."},

	{Code: codeDuplicateEnumName, Explanation: "An enum has two values of one name."},
	{Code: codeEnumRange, Explanation: "An enum value does not fit 32 bits."},

	{Code: codeFieldIDRange, Explanation: "A field id does not fit 16 bits."},
	{Code: codeDuplicateFieldID, Explanation: "Two fields of one list have the same id."},
	{Code: codeDuplicateFieldName, Explanation: "Two fields of one list have the same name."},
	{Code: codeUnionDefaults, Explanation: "More than one member of a union has a default value."},
	{Code: codeThrowsType, Explanation: "A function throws something that is not an exception."},

	{Code: codeUnknownService, Explanation: "A service extends one that is defined neither in its file nor in a direct include."},
	{Code: codeExtendsCycle, Explanation: "A service extends itself, directly or through others."},
	{Code: codeExtendsDepth, Explanation: "A service has too many services above it."},
	{Code: codeDuplicateFunction, Explanation: "A service has two functions of one name, counting those it inherits."},
	{Code: codeOnewayResult, Explanation: "A oneway function has a result, which nobody would receive."},
	{Code: codeOnewayThrows, Explanation: "A oneway function declares exceptions, which nobody would receive."},
	{Code: codeStreamPlace, Explanation: "A stream stands where it is neither a function's result nor its last argument."},
	{Code: codeOnewayStream, Explanation: "A oneway function takes a stream, which needs a call that lasts."},

	{Code: codeAnnotationValue, Explanation: "An annotation that the compiler knows has a value that it does not know."},
	{Code: codeAnnotationTwice, Explanation: "An annotation that the compiler knows is given twice."},

	{Code: codeValueType, Explanation: "A value is not of the type it is used at."},
	{Code: codeValueRange, Explanation: "An integer does not fit the type it is used at."},
	{Code: codeUnknownConst, Explanation: "A constant or enum value is defined neither in its file nor in a direct include."},
	{Code: codeUnqualified, Explanation: "An enum value is written without the name of its enum."},
	{Code: codeNotMember, Explanation: "An integer is not the number of any value of the enum."},
	{Code: codeConstCycle, Explanation: "A constant refers to itself, directly or through others."},
	{Code: codeConstTooLarge, Explanation: "References between constants expand to too many values, or form too long a chain."},
	{Code: codeUUID, Explanation: "A string is not a UUID of 36 characters, or 38 with braces."},
	{Code: codeUnknownField, Explanation: "A struct constant names a field that the struct does not have."},
	{Code: codeStructKey, Explanation: "A key of a struct constant is not a field name in quotes."},
	{Code: codeUnionConstant, Explanation: "A union constant sets more than one member."},

	{Code: codeNoFieldID, Explanation: "A field has no id, so its number depends on its place.", Strict: true},
	{Code: codeFieldIDIgnored, Explanation: "A field id of zero or less is replaced by an automatic one.", Strict: true},
	{Code: codeUnionRequired, Explanation: "A union member is marked required; members are always optional."},
	{Code: codeOptionalArg, Explanation: "An argument is marked optional; arguments are always sent."},
	{Code: codeRequiredThrow, Explanation: "A declared exception is marked required; at most one is ever sent."},
	{Code: codeEnumQualifier, Explanation: "An enum value is written behind a name that is not its enum's.", Strict: true},
	{Code: codeDuplicateKey, Explanation: "A constant has a map key, set element or struct field twice."},
	{Code: codeIncludedTwice, Explanation: "A file is included twice."},
	{Code: codeNamespaceTwice, Explanation: "A namespace is given twice for one language; the last one counts."},
	{Code: codeBoolInteger, Explanation: "A bool is written as an integer other than 0 and 1.", Strict: true},
	{Code: codeEmptyUnion, Explanation: "A union constant sets no member."},
	{Code: codeInfiniteStruct, Explanation: "A struct requires itself, so no finite value of it exists."},
}

// Codes lists every code that Load gives beside the parser's, errors first, in the order of their numbers. The caller
// owns the slice.
func Codes() []Code { return append([]Code(nil), codes...) }

var strictCodes = func() map[string]bool {
	m := make(map[string]bool)
	for _, c := range codes {
		if c.Strict {
			m[c.Code] = true
		}
	}
	return m
}()
