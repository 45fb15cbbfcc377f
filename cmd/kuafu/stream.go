package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/kuafu-rpc/kuafu/dynamic"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// streams returns the types of what the client and the server send during a call of f; nil for what is no stream.
func streams(f *schema.Function) (in, out *schema.Type) {
	if n := len(f.Args); n > 0 && f.Args[n-1].Type.Kind == schema.KindStream {
		in = f.Args[n-1].Type.Elem
	}
	if f.Result != nil && f.Result.Kind == schema.KindStream {
		out = f.Result.Elem
	}
	return in, out
}

// streamMode returns in which directions the messages of f go.
func streamMode(f *schema.Function) (mode rpc.StreamMode) {
	in, out := streams(f)
	if in != nil {
		mode |= rpc.StreamArgs
	}
	if out != nil {
		mode |= rpc.StreamResult
	}
	return mode
}

// stream makes a stream call: it sends the messages that p.messages has, prints those that come, each as soon as it is
// there, and then the result.
func (a *app) stream(ctx context.Context, t *target, p *prepared) error {
	bounded, cancel := context.WithCancel(ctx)
	if t.hasTimeout {
		bounded, cancel = context.WithTimeout(ctx, t.timeout)
	}
	defer cancel()
	err := a.converse(bounded, p)
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

func (a *app) converse(ctx context.Context, p *prepared) error {
	s, err := p.conn.Open(ctx, p.method, p.args)
	if err != nil {
		return err
	}
	defer s.Cancel()
	in, out := streams(p.function)
	sending, stop := context.WithCancel(s.Context())
	defer stop()
	sent := make(chan error, 1)
	if in == nil {
		sent <- nil
	} else {
		go func() {
			err := send(sending, s, in, p.messages)
			if err != nil {
				s.Cancel() // so that nobody waits for an answer
			}
			sent <- err
		}()
	}
	var received, unsent error
	if out == nil {
		unsent = <-sent
	} else {
		received = a.receive(ctx, s, out)
		stop() // whether the server has ended the call or something is wrong, no more messages are wanted
		unsent = <-sent
	}
	switch {
	case unsent != nil: // then that is why nothing more was received
		return unsent
	case received != nil:
		return received
	}
	r := dynamic.NewResult(p.function)
	if err := s.Finish(ctx, r); err != nil {
		return err
	}
	return a.printResult(p, r)
}

// receive prints messages until the last one.
func (a *app) receive(ctx context.Context, s rpc.Stream, t *schema.Type) error {
	doc := dynamic.NewElement(t)
	for {
		var line []byte
		var err error
		if t.Kind == schema.KindBinary {
			var b []byte
			if b, err = s.RecvBytes(ctx); err == nil {
				line, err = json.Marshal(b)
			}
		} else if err = s.Recv(ctx, doc); err == nil {
			line = doc.JSON()
			a.problems(doc.Problems())
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := a.out.Write(append(line, '\n')); err != nil { // at once: somebody may be waiting for it
			return err
		}
	}
}

// send sends the messages that in has, one on a line, and tells the server that these were all. It ends with ctx, which is
// no error, and neither is it if the server has seen enough.
func send(ctx context.Context, s rpc.ClientStream, t *schema.Type, in io.Reader) error {
	lines, failed := make(chan []byte), make(chan error, 1)
	go func() { // it is left behind if the call ends first: nothing ends a read from a terminal
		failed <- readLines(in, func(line []byte) bool {
			select {
			case lines <- line:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	for n := 1; ; n++ {
		select {
		case line := <-lines:
			switch err := sendLine(ctx, s, t, line); {
			case err == io.EOF || ctx.Err() != nil:
				return nil
			case errors.As(err, new(usageError)):
				// Errors of the JSON have a line of their own, which is always the first.
				return usagef("line %d: %s", n, strings.TrimPrefix(err.Error(), "JSON: line 1, "))
			case err != nil:
				return err
			}
		case err := <-failed:
			if err == nil {
				err = s.CloseSend(ctx)
			}
			if ctx.Err() != nil {
				return nil
			}
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// readLines gives use each line of in, without its end, until that is false.
func readLines(in io.Reader, use func(line []byte) bool) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxData)
	for lines.Scan() {
		if !use(bytes.Clone(lines.Bytes())) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return usageError{fmt.Errorf("reading the messages: %w", err)}
	}
	return nil
}

// sendLine sends the message on a line, if there is one.
func sendLine(ctx context.Context, s rpc.Stream, t *schema.Type, line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	if t.Kind == schema.KindBinary {
		b, err := dynamic.ParseBinary(line)
		if err != nil {
			return usageError{err}
		}
		return s.SendBytes(ctx, b)
	}
	m, err := dynamic.ParseElement(t, line)
	if err != nil {
		return usageError{err}
	}
	return s.Send(ctx, m)
}

// messages returns what -d stands for in a call that sends a stream.
func (a *app) messages(arg string) (io.ReadCloser, error) {
	switch name, isFile := strings.CutPrefix(arg, "@"); {
	case arg == "":
		if isTerminal(a.in) {
			fmt.Fprintln(a.err, "kuafu: type messages, each as JSON on a line of its own; Ctrl-D ends them")
		}
		return io.NopCloser(a.in), nil
	case isStdin(arg):
		return io.NopCloser(a.in), nil
	case isFile:
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError{err}
		}
		return f, nil
	}
	return io.NopCloser(strings.NewReader(arg)), nil
}
