package rpc

// IDLFile is the source of generated code. Each generated Go file has one as a variable; nobody changes it.
type IDLFile struct {
	// Path is the import path of the Go package, a slash, and the base name of the file: "example.com/m/echo/echo.idl".
	// It names the file in a program; the file need not lie there.
	Path string

	// Source is the file's text; empty if rpcgen was told to leave it out.
	Source string

	// Includes are the included files, each once, in the order of the source. No two of them have one base name.
	Includes []*IDLFile
}
