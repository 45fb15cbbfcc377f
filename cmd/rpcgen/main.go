// Command rpcgen turns IDL files into Go source.
//
// Usage:
//
//	rpcgen [flags] file...
//
// It writes one Go file for each IDL file, into the directory of the file's Go package; with -h it says how that is
// found and what the flags are. It is made for go:generate lines too:
//
//	//go:generate go tool rpcgen echo.idl
//
// Problems are printed to standard error. The exit status is 0 if there was no error, 1 if the IDL has errors, 2 if the
// command line has, and 3 if a file cannot be written or the generator itself is at fault. Unless it is 0, no
// Go file was changed by an erroneous program: files are written only when everything has been generated.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/kuafu-rpc/kuafu/gen"
	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// Exit statuses.
const (
	exitOK          = 0
	exitDiagnostics = 1
	exitUsage       = 2
	exitInternal    = 3
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command; it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "rpcgen: %v\nRun rpcgen --help for how to use it.\n", err)
		return exitUsage
	case cfg.help:
		fmt.Fprint(stdout, usage)
		return exitOK
	case cfg.version:
		fmt.Fprintln(stdout, "rpcgen", version())
		return exitOK
	}
	prog, diags := schema.Load(schema.Options{
		IncludeDirs: cfg.include, Strict: cfg.strict, AllowNegativeIDs: cfg.negativeIDs,
	}, cfg.files...)
	var files []gen.OutputFile
	if !hasErrors(diags) {
		places := &layout{out: cfg.out, goPackage: cfg.goPackage, roots: prog.Roots}
		var more []*idl.Diagnostic
		files, more, err = gen.Generate(prog, gen.Options{
			Package: places.packageOf, Recursive: cfg.recursive, NoEmbed: cfg.noEmbed,
		})
		diags = idl.Sort(append(diags, more...))
		if err == nil {
			err = places.err
		}
	}
	if e := render(stderr, diags, cfg.format); e != nil && err == nil {
		err = e
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "rpcgen:", err)
		return exitInternal
	case hasErrors(diags):
		return exitDiagnostics
	}
	for _, f := range files {
		if err := writeFile(f.Path, f.Content); err != nil {
			fmt.Fprintln(stderr, "rpcgen:", err)
			return exitInternal
		}
	}
	return exitOK
}

func hasErrors(diags []*idl.Diagnostic) bool {
	for _, d := range diags {
		if d.Severity == idl.Error {
			return true
		}
	}
	return false
}

func render(w io.Writer, diags []*idl.Diagnostic, format string) error {
	if format == "json" {
		return idl.RenderJSON(w, diags)
	}
	return idl.Render(w, diags, idl.RenderOptions{Color: wantsColor(w)})
}

// wantsColor reports whether w is a terminal whose user has not asked for plain text (no-color.org).
func wantsColor(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// version returns the version of the module that the command was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}
