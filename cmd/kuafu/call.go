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
	var data input
	cmd := &cobra.Command{
		Use:   "call ADDRESS SERVICE.METHOD",
		Short: "Call a method with arguments in JSON",
		Long: `call calls a method and prints its result as JSON; nothing for a method without one. The arguments are one JSON object
whose members are named like them; "kuafu describe --template" prints one to fill in.

If the server answers with a stream, each message is printed as a line of JSON as soon as it comes. If the method takes a
stream, -d has its messages instead of the arguments, as JSON on a line for each; without -d they come from standard
input, and the end of it ends the stream. The other arguments are in --args then. --timeout limits a stream only
where it is given.`,
		Example: `  kuafu call localhost:7000 Greeter.greet -d '{"guest": {"name": "Ada"}}'
  kuafu call localhost:7000 Greeter.greet -d @guest.json
  kuafu call localhost:7000 Files.upload --args '{"name": "a"}' -d @pieces.jsonl
  kuafu call --ca ca.pem --user ada --password-file ada.password greeter.example.com:7000 Greeter.forget
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
			defer call.close()
			if call.method.Stream != rpc.StreamNone {
				return a.stream(ctx, &t, call)
			}
			return a.call(ctx, &t, call)
		},
	}
	t.flags(cmd)
	s.flags(cmd)
	dataFlag(cmd, &data.data, "arguments, or the messages of a stream, as `JSON`; @file reads them from a file, - or @- from standard input")
	cmd.Flags().StringVar(&data.args, "args", "", "arguments as `JSON` of a method that takes a stream, which -d is for there")
	return cmd
}

func dataFlag(cmd *cobra.Command, data *string, usage string) {
	cmd.Flags().StringVarP(data, "data", "d", "", usage)
}

// input is what the user gives to a call.
type input struct {
	data string // of -d: the arguments, or if the method takes a stream, its messages
	args string // of --args
}

// prepared is a call that only has to be sent.
type prepared struct {
	conn     *client.Client
	method   *rpc.Method
	function *schema.Function
	args     *dynamic.Message
	messages io.ReadCloser // of a method that takes a stream; nil for others
}

func (p *prepared) close() {
	if p.messages != nil {
		p.messages.Close()
	}
	p.conn.Close()
}

// prepare connects, learns what the method looks like, and checks the arguments. The caller closes what it returns.
func (a *app) prepare(ctx context.Context, t *target, s *source, full string, data input) (_ *prepared, err error) {
	service, _, err := splitMethod(full)
	if err != nil {
		return nil, err
	}
	var conn *client.Client
	var messages io.ReadCloser
	defer func() {
		if err != nil && conn != nil {
			conn.Close()
		}
		if err != nil && messages != nil {
			messages.Close()
		}
	}()
	if s.file == "" { // else what is wrong with the arguments shows without a connection
		if conn, err = a.dial(ctx, t, service); err != nil {
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
	if t.thrift != "" && streamMode(f) != rpc.StreamNone {
		return nil, usagef("%s has a stream, which stock Thrift servers do not know", full)
	}
	args, err := a.arguments(f, data)
	if err != nil {
		return nil, err
	}
	if in, _ := streams(f); in != nil {
		if messages, err = a.messages(data.data); err != nil {
			return nil, err
		}
	}
	if conn == nil {
		if conn, err = a.dial(ctx, t, service); err != nil {
			return nil, err
		}
	}
	return &prepared{conn, methodOf(svc, f), f, args, messages}, nil
}

// arguments returns the arguments of a call.
func (a *app) arguments(f *schema.Function, data input) (*dynamic.Message, error) {
	arg := data.data
	if in, _ := streams(f); in != nil {
		arg = data.args
		if isStdin(arg) && (data.data == "" || isStdin(data.data)) {
			return nil, usagef("standard input cannot be both the arguments and the messages")
		}
	} else if data.args != "" {
		return nil, usagef("%s takes no stream: its arguments are those of -d", f.Name)
	}
	text, err := a.data(arg)
	if err != nil {
		return nil, err
	}
	args, err := dynamic.ParseArgs(f, text)
	if err != nil {
		return nil, usageError{err}
	}
	return args, nil
}

func isStdin(arg string) bool { return arg == "-" || arg == "@-" }

// data returns what an argument stands for that is JSON, a file's name or standard input.
func (a *app) data(arg string) ([]byte, error) {
	in := a.in
	switch name, isFile := strings.CutPrefix(arg, "@"); {
	case arg == "":
		return []byte("{}"), nil
	case isStdin(arg):
	case isFile:
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError{err}
		}
		defer f.Close()
		in = f
	default:
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
	return a.printResult(p, r)
}

// printResult prints what a call has come to.
func (a *app) printResult(p *prepared, r *dynamic.Result) error {
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
