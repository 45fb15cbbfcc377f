package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/dynamic"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// maxData bounds the arguments that are read from a file or from standard input.
const maxData = 64 << 20

func (a *app) callCommand() *cobra.Command {
	var t target
	var s source
	var data string
	cmd := &cobra.Command{
		Use:   "call ADDRESS SERVICE.METHOD",
		Short: "Call a method with arguments in JSON",
		Long: `call calls a method and prints its result as JSON; nothing for a method without one. The arguments are one JSON object
whose members are named like them; "kuafu describe --template" prints one to fill in.`,
		Example: `  kuafu call localhost:7000 Greeter.greet -d '{"guest": {"name": "Ada"}}'
  kuafu call localhost:7000 Greeter.greet -d @guest.json
  kuafu call --idl hello.idl --thrift framed,compact localhost:9090 Greeter.count -d '{"name": "Ada"}'`,
		Args: addressArgs(1, 1, "an address and Service.method"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.address = args[0]
			ctx, err := t.context(cmd.Context())
			if err != nil {
				return err
			}
			call, err := a.prepare(ctx, &t, &s, args[1], data)
			if err != nil {
				return err
			}
			defer call.conn.Close()
			return a.call(ctx, &t, call)
		},
	}
	t.flags(cmd)
	s.flags(cmd)
	dataFlag(cmd, &data)
	return cmd
}

func dataFlag(cmd *cobra.Command, data *string) {
	cmd.Flags().StringVarP(data, "data", "d", "{}", "arguments as `JSON`; @file reads them from a file, - from standard input")
}

// prepared is a call that only has to be sent.
type prepared struct {
	conn     *client.Client
	method   *rpc.Method
	function *schema.Function
	args     *dynamic.Message
}

// prepare connects, learns what the method looks like, and checks the arguments. The caller closes the connection if
// there is no error.
func (a *app) prepare(ctx context.Context, t *target, s *source, full, data string) (_ *prepared, err error) {
	service, _, err := splitMethod(full)
	if err != nil {
		return nil, err
	}
	text, err := a.data(data)
	if err != nil {
		return nil, err
	}
	var conn *client.Client
	defer func() {
		if err != nil && conn != nil {
			conn.Close()
		}
	}()
	if s.file == "" { // else what is wrong with the arguments shows without a connection
		if conn, err = t.dial(ctx, service); err != nil {
			return nil, err
		}
	}
	prog, err := s.program(ctx, t, conn, service)
	if err != nil {
		return nil, err
	}
	svc, f, err := method(prog, full)
	if err != nil {
		return nil, err
	}
	if f.Result != nil && f.Result.Kind == schema.KindStream {
		return nil, usagef("%s returns a stream, which this command cannot show", full)
	}
	args, err := dynamic.ParseArgs(f, text)
	if err != nil {
		return nil, usageError{err}
	}
	if conn == nil {
		if conn, err = t.dial(ctx, service); err != nil {
			return nil, err
		}
	}
	return &prepared{conn, methodOf(svc, f), f, args}, nil
}

// data returns what -d stands for.
func (a *app) data(arg string) ([]byte, error) {
	in := a.in
	switch name, isFile := strings.CutPrefix(arg, "@"); {
	case isFile:
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError{err}
		}
		defer f.Close()
		in = f
	case arg != "-":
		return []byte(arg), nil
	}
	text, err := io.ReadAll(io.LimitReader(in, maxData+1))
	if err != nil {
		return nil, usageError{err}
	}
	if len(text) > maxData {
		return nil, usagef("more than %d bytes of data", maxData)
	}
	return text, nil
}

// call sends a call and prints what comes of it.
func (a *app) call(ctx context.Context, t *target, p *prepared) error {
	bounded, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if p.function.Oneway {
		return p.conn.Call(bounded, p.method, p.args, nil)
	}
	r := dynamic.NewResult(p.function)
	if err := p.conn.Call(bounded, p.method, p.args, r); err != nil {
		if ctx.Err() != nil {
			return errInterrupted
		}
		return err
	}
	a.problems(r.Problems())
	if err := outcome(p.method, r); err != nil {
		return err
	}
	if r.JSON() == nil {
		return nil
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, r.JSON(), "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.out, "%s\n", indented.Bytes())
	return err
}

// outcome returns the error that a reply amounts to, nil if there is a result.
func outcome(m *rpc.Method, r *dynamic.Result) error {
	if f := r.Exception(); f != nil {
		return &exception{m.FullName, f.Type.Struct.Name, json.RawMessage(r.JSON())}
	}
	if r.Empty() {
		return &rpc.Error{
			Code: rpc.Internal, Message: "the reply has neither a result nor a known exception",
			Method: m.FullName, Execution: rpc.Executed,
		}
	}
	return nil
}
