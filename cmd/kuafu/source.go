package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/service/reflection"
)

// source is where a command learns what services look like.
type source struct {
	file        string   // of --idl; empty for the server's reflection
	include     []string // of -I
	negativeIDs bool
}

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.file, "idl", "", "IDL `file` to use instead of the server's reflection service")
	cmd.Flags().StringArrayVarP(&s.include, "include", "I", nil, "look for includes in `dir` too; repeatable")
	cmd.Flags().BoolVar(&s.negativeIDs, "allow-negative-ids", false, "keep field ids of zero and less as they are written")
}

// program returns the linked IDL of a service, or of all where the name is empty. conn is not used with --idl.
func (s *source) program(ctx context.Context, t *target, conn *client.Client, service string) (*schema.Program, error) {
	opts := schema.Options{IncludeDirs: s.include, AllowNegativeIDs: s.negativeIDs}
	if s.file != "" {
		prog, diags := schema.Load(opts, s.file)
		return prog, firstErrors(diags)
	}
	if t.thrift != "" {
		return nil, usagef("a stock Thrift server cannot describe itself: give --idl")
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	files, err := reflection.NewReflectionClient(conn).GetFiles(ctx, service)
	if err != nil {
		return nil, reflectionError(err)
	}
	prog, diags := reflection.Load(files, opts)
	if err := firstErrors(diags); err != nil {
		return nil, fmt.Errorf("the server's IDL does not compile: %w", err)
	}
	return prog, nil
}

// reflectionError makes what a reflection service has answered an error for the user.
func reflectionError(err error) error {
	switch rpc.CodeOf(err) {
	case rpc.Unimplemented:
		return hint(err, "the server has no reflection service: give --idl, or register reflection.NewService in the server")
	case rpc.NotFound:
		var failure *rpc.Error
		if errors.As(err, &failure) {
			return usageError{errors.New(failure.Message)}
		}
	}
	return err
}

// firstErrors returns the errors among diagnostics, not more than a screen of them, nil if there is none.
func firstErrors(diags []*idl.Diagnostic) error {
	var bad []*idl.Diagnostic
	for _, d := range diags {
		if d.Severity == idl.Error {
			bad = append(bad, d)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("errors in the IDL\n")
	if err := idl.Render(&b, bad, idl.RenderOptions{}); err != nil {
		return err
	}
	return usageError{errors.New(strings.TrimSpace(b.String()))}
}

// findService returns a service by its name; roots go before what they include.
func findService(prog *schema.Program, name string) *schema.Service {
	var found *schema.Service
	for _, files := range [][]*schema.File{prog.Files, prog.Roots} {
		for _, f := range files {
			for _, s := range f.Services {
				if s.Name == name {
					found = s
				}
			}
		}
	}
	return found
}

// findFunction returns a method of a service, inherited ones included, and the methods' names if there is none.
func findFunction(s *schema.Service, name string) (f *schema.Function, names []string) {
	all := s.AllFunctions()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name == name {
			return all[i], nil
		}
	}
	for _, f := range all {
		names = append(names, f.Name)
	}
	return nil, names
}

// splitMethod cuts "Greeter.greet" in two.
func splitMethod(full string) (service, method string, err error) {
	i := strings.LastIndexByte(full, '.')
	if i <= 0 || i == len(full)-1 {
		return "", "", usagef("%q is no method: want Service.method", full)
	}
	return full[:i], full[i+1:], nil
}

// method finds Service.method in a program.
func method(prog *schema.Program, full string) (*schema.Service, *schema.Function, error) {
	service, name, err := splitMethod(full)
	if err != nil {
		return nil, nil, err
	}
	s := findService(prog, service)
	if s == nil {
		return nil, nil, usagef("no service %s%s", service, suggestion(service, serviceNames(prog)))
	}
	f, names := findFunction(s, name)
	if f == nil {
		return nil, nil, usagef("service %s has no method %s%s", service, name, suggestion(name, names))
	}
	return s, f, nil
}

func serviceNames(prog *schema.Program) []string {
	var names []string
	for _, f := range prog.Files {
		for _, s := range f.Services {
			names = append(names, s.Name)
		}
	}
	return names
}

// suggestion completes the sentence that something does not exist.
func suggestion(name string, known []string) string {
	if near := idl.Suggest(name, known); near != "" {
		return "; did you mean " + near + "?"
	}
	if len(known) == 0 || len(known) > 20 {
		return ""
	}
	return "; there are " + strings.Join(known, ", ")
}

// methodOf returns how the runtime is to call f as a method of s.
func methodOf(s *schema.Service, f *schema.Function) *rpc.Method {
	return &rpc.Method{
		Service: s.Name, Name: f.Name, FullName: s.Name + "." + f.Name, Oneway: f.Oneway, Retry: rpc.Retry(f.Retry),
		Stream: streamMode(f), Compress: compressions[f.Compress],
	}
}

var compressions = map[string]rpc.Compress{"snappy": rpc.CompressSnappy, "none": rpc.CompressNone}
