package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

const usage = `rpcgen turns IDL files into Go source.

Usage:

    rpcgen [flags] file...

Flags, with one dash or two, before or after the files:

    -I dir              look for includes in dir too, after the including file's own directory; repeatable
    -o dir              put packages below dir instead of below each IDL file's directory
    -r                  generate the included files too
    --go-package path   the Go package of the files, instead of what their "namespace go" says
    --strict            turn warnings about what had to be guessed into errors
    --allow-negative-ids
                        keep field ids of zero and less as they are written
    --no-embed-idl      leave the text of the IDL files out of the Go files; servers cannot show it by reflection then
    --format text|json  how problems are printed to standard error; text is the default
    --version           print the version
    --help              print this

Where the Go files go: each IDL file belongs to a package path, which is --go-package, or else its "namespace go" with
slashes for dots, or else its base name. Below the directory of -o, or else the IDL file's own, the Go file is written
to the directory of that path. It is written right there if the directory is that package already, because its import
path ends in the package path: so echo/echo.idl with "namespace go echo" becomes echo/echo_gen.go, and service.idl with
"namespace go hello" becomes hello/service_gen.go. A package path that starts with the module's path counts from the
module's root.

Exit status: 0 no errors, 1 errors in the IDL, 2 wrong usage, 3 a file cannot be written or an internal error.
`

// config is the command line.
type config struct {
	include     []string
	out         string
	recursive   bool
	goPackage   string
	strict      bool
	negativeIDs bool
	noEmbed     bool
	format      string
	help        bool
	version     bool
	files       []string
}

// parseFlags reads the command line. Flags may follow files; after "--" everything is a file.
func parseFlags(args []string) (*config, error) {
	cfg := &config{}
	fs := flag.NewFlagSet("rpcgen", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Func("I", "", func(dir string) error {
		if dir == "" {
			return errors.New("no directory given")
		}
		cfg.include = append(cfg.include, dir)
		return nil
	})
	fs.StringVar(&cfg.out, "o", "", "")
	fs.BoolVar(&cfg.recursive, "r", false, "")
	fs.StringVar(&cfg.goPackage, "go-package", "", "")
	fs.BoolVar(&cfg.strict, "strict", false, "")
	fs.BoolVar(&cfg.negativeIDs, "allow-negative-ids", false, "")
	fs.BoolVar(&cfg.noEmbed, "no-embed-idl", false, "")
	fs.StringVar(&cfg.format, "format", "text", "")
	fs.BoolVar(&cfg.help, "help", false, "")
	fs.BoolVar(&cfg.help, "h", false, "")
	fs.BoolVar(&cfg.version, "version", false, "")

	for rest := args; len(rest) > 0; {
		if err := fs.Parse(rest); err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "flag "))
		}
		consumed := len(rest) - fs.NArg()
		if consumed > 0 && rest[consumed-1] == "--" {
			cfg.files = append(cfg.files, fs.Args()...)
			break
		}
		if fs.NArg() == 0 {
			break
		}
		cfg.files = append(cfg.files, fs.Arg(0))
		rest = fs.Args()[1:]
	}
	switch {
	case cfg.help || cfg.version:
		return cfg, nil
	case cfg.format != "text" && cfg.format != "json":
		return nil, fmt.Errorf("--format is %q, and can be text or json", cfg.format)
	case len(cfg.files) == 0:
		return nil, errors.New("no IDL file given")
	}
	return cfg, nil
}
