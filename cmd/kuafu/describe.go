package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/dynamic"
	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/idl/schemajson"
	"github.com/kuafu-rpc/kuafu/runtime/client"
)

func (a *app) describeCommand() *cobra.Command {
	var t target
	var s source
	var template bool
	cmd := &cobra.Command{
		Use:   "describe ADDRESS [SYMBOL]",
		Short: "Show the IDL of a service, a method or a type",
		Long: `describe shows the IDL of a SYMBOL: Service, Service.method, or a type, constant or typedef, with the base name of its file
before it where several files have one. Without a symbol it shows everything. With -o json it prints the linked program, in
which every name is resolved; docs/idl-json.md describes it. With --idl the address may be left out.`,
		Example: `  kuafu describe localhost:7000 Greeter
  kuafu describe localhost:7000 Greeter.greet --template
  kuafu describe --idl hello.idl Guest`,
		Args: func(cmd *cobra.Command, args []string) error {
			if s.file != "" {
				if len(args) > 2 {
					return usagef("want an address or none, and a symbol or none")
				}
				return nil
			}
			return addressArgs(0, 1, "an address, and a symbol or none")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, err := t.context(cmd.Context())
			if err != nil {
				return err
			}
			symbol := ""
			if s.file == "" {
				t.address, args = args[0], args[1:]
			}
			if len(args) > 0 {
				symbol = args[len(args)-1]
			}
			prog, err := a.describedProgram(ctx, &t, &s)
			if err != nil {
				return err
			}
			return a.describe(prog, symbol, template)
		},
	}
	t.nativeFlags(cmd)
	cmd.Flags().BoolVar(&template, "template", false, "print JSON to fill in: the arguments of a method, or a struct")
	s.flags(cmd)
	return cmd
}

func (a *app) describedProgram(ctx context.Context, t *target, s *source) (*schema.Program, error) {
	var conn *client.Client
	if s.file == "" {
		var err error
		if conn, err = a.dial(ctx, t, "Reflection"); err != nil {
			return nil, err
		}
		defer conn.Close()
	}
	return s.program(ctx, t, conn, "")
}

func (a *app) describe(prog *schema.Program, symbol string, template bool) error {
	if symbol == "" {
		if template {
			return usagef("--template wants a method or a struct")
		}
		return a.describeAll(prog)
	}
	function, definitions, err := lookUp(prog, symbol)
	switch {
	case err != nil:
		return err
	case template:
		return a.printTemplate(symbol, function, definitions)
	case a.output == "json":
		return a.describeJSON(prog)
	case function != nil:
		return a.printSource(function.Service.File, function.Doc, function.AST.Span, "  ")
	}
	for i, d := range definitions {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if err := a.printDefinition(d); err != nil {
			return err
		}
	}
	return nil
}

// lookUp finds a method, or else the definitions of a name; there is at least one.
func lookUp(prog *schema.Program, symbol string) (*schema.Function, []schema.Definition, error) {
	base, name, qualified := strings.Cut(symbol, ".")
	if qualified {
		if s := findService(prog, base); s != nil {
			f, names := findFunction(s, name)
			if f == nil {
				return nil, nil, usagef("service %s has no method %s%s", base, name, suggestion(name, names))
			}
			return f, nil, nil
		}
	} else {
		base, name = "", symbol
	}
	var found []schema.Definition
	var names []string
	for _, f := range prog.Files {
		for _, d := range f.Order {
			names = append(names, d.DefName())
			if d.DefName() == name && (base == "" || base == f.Base) {
				found = append(found, d)
			}
		}
	}
	if len(found) == 0 {
		return nil, nil, usagef("nothing is called %s%s", symbol, suggestion(name, names))
	}
	return nil, found, nil
}

func (a *app) describeAll(prog *schema.Program) error {
	if a.output == "json" {
		return a.describeJSON(prog)
	}
	for i, f := range prog.Files {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if _, err := fmt.Fprintf(a.out, "// %s\n%s", f.Path, endLine(string(f.AST.Source))); err != nil {
			return err
		}
	}
	return nil
}

func endLine(s string) string {
	if s == "" || strings.HasSuffix(s, "\n") {
		return s
	}
	return s + "\n"
}

func (a *app) describeJSON(prog *schema.Program) error {
	b, err := schemajson.Marshal(prog)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\n", b)
	return err
}

func (a *app) printDefinition(d schema.Definition) error {
	var node idl.Definition
	switch d := d.(type) {
	case *schema.Const:
		node = d.AST
	case *schema.Typedef:
		node = d.AST
	case *schema.Enum:
		node = d.AST
	case *schema.Struct:
		node = d.AST
	case *schema.Service:
		node = d.AST
	}
	return a.printSource(d.DefFile(), node.DocText(), node.Range(), "")
}

// printSource prints a part of a file as it is written there, under its doc comment. indent is what the lines after the
// first have in front of them in the file.
func (a *app) printSource(f *schema.File, doc string, span idl.Span, indent string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s:%d\n", f.Path, span.Start.Line)
	switch {
	case doc == "":
	case !strings.Contains(doc, "\n"):
		b.WriteString("/** " + doc + " */\n")
	default:
		b.WriteString("/**\n")
		for line := range strings.Lines(doc) {
			b.WriteString(" * " + strings.TrimRight(line, "\r\n") + "\n")
		}
		b.WriteString(" */\n")
	}
	source := string(f.AST.Source[span.Start.Offset:span.End.Offset])
	b.WriteString(strings.ReplaceAll(source, "\n"+indent, "\n"))
	_, err := fmt.Fprint(a.out, endLine(b.String()))
	return err
}

func (a *app) printTemplate(symbol string, f *schema.Function, definitions []schema.Definition) error {
	var text []byte
	var err error
	switch {
	case f != nil:
		text, err = dynamic.TemplateArgs(f)
	case len(definitions) > 1:
		return usagef("several files define %s: write the base name of one before it, and a dot", symbol)
	default:
		s, ok := definitions[0].(*schema.Struct)
		if !ok {
			return usagef("%s is neither a method nor a struct", symbol)
		}
		text, err = dynamic.Template(s)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\n", text)
	return err
}
