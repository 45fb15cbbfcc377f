package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// app is one run of the command.
type app struct {
	in       io.Reader
	out, err io.Writer
	output   string // of --output: "table" or "json"
	started  bool   // the command line was right, and a command runs
}

// run is the whole program; it returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, err io.Writer) int {
	a := &app{in: in, out: out, err: err}
	root := a.root()
	root.SetArgs(args)
	failure := root.ExecuteContext(ctx)
	if failure == nil {
		return exitOK
	}
	if !a.started && exitOf(failure) != exitUsage {
		failure = usageError{failure}
	}
	a.report(failure)
	return exitOf(failure)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "kuafu",
		Short: "Call, describe and measure services",
		Long: `kuafu calls, describes and measures services from the command line.

An ADDRESS is host:port, tcp://host:port, tls://host:port or unix:///path. What a service looks like comes from the server's
reflection service, or from an IDL file given with --idl, which works with any server, stock Apache Thrift ones too.

Exit status: 0 all went well; 1 a call failed, or a server is not healthy; 2 the command line or the data on it is
wrong; 3 there is no connection.`,
		Version:           version(),
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.output != "table" && a.output != "json" {
				return usagef("--output is %q, and can be table or json", a.output)
			}
			a.started = true
			return nil
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "table", "`form` of the output: table or json")
	completeFlag(root, "output", "table", "json")
	root.AddCommand(a.callCommand(), a.listCommand(), a.describeCommand(), a.healthCommand(), a.benchCommand(),
		a.authCommand(), manCommand())
	return root
}

// version returns the version of the module that the command was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}

// isTerminal reports whether somebody watches w, or types what it says.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// addressArgs checks that there is an address and from min to max words after it, which names describes.
func addressArgs(min, max int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < 1+min || len(args) > 1+max {
			return usagef("want %s; %s --help says more", names, cmd.CommandPath())
		}
		return nil
	}
}

// problems prints what is odd about a reply.
func (a *app) problems(list []string) {
	for _, p := range list {
		fmt.Fprintln(a.err, "kuafu: warning:", p)
	}
}

// completeFlag makes shells offer the values of a flag.
func completeFlag(cmd *cobra.Command, name string, values ...string) {
	// It fails only where there is no such flag.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

var errInterrupted = errors.New("interrupted")
