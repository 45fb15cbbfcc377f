package schema

// Each limit stops one way in which a small input could cost much time or memory. All are far above what written files
// need.
const (
	maxFileSize = 16 << 20 // bytes of one source file, as in idl.Parse, which reports it
	maxFiles    = 10_000   // files of one program
	maxErrors   = 10_000   // diagnostics of linking; later ones are dropped

	// A typedef that uses another twice doubles the type it stands for, so thirty lines could describe a billion nodes
	// to whoever walks the type.
	maxTypeNodes = 256
	maxTypeDepth = 64 // the nesting that decoders accept

	// A reference costs what the constant it names holds. The budget is the program's, because consumers write
	// constants out.
	maxExpansion = 1 << 20

	maxChain   = 1000 // forward references from definition to definition: they are followed by recursion
	maxExtends = 64   // services above a service

	maxSuggestions = 40   // "did you mean" searches: each reads every candidate
	maxMessage     = 4096 // bytes of a message: names in it can be as long as a file, and one name can be in many
	maxBaseName    = 255  // bytes of a base name that others can refer to, as file systems limit names
)
