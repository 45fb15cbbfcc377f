package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

var errNoTerminal = errors.New("standard input is no terminal")

// ask asks whoever sits at the terminal for a line, and does not show it. Without a terminal the error is errNoTerminal.
func (a *app) ask(ctx context.Context, prompt string) (string, error) {
	in, ok := a.in.(*os.File)
	if !ok {
		return "", errNoTerminal
	}
	restore, err := hideInput(int(in.Fd()))
	if err != nil {
		return "", errNoTerminal
	}
	defer func() {
		restore()
		fmt.Fprintln(a.err) // for the line end that was not shown
	}()
	fmt.Fprint(a.err, prompt)
	type answer struct {
		line string
		err  error
	}
	answered := make(chan answer, 1)
	go func() { // it is left behind when the user interrupts: nothing ends a read from a terminal
		// Input comes by the line, so one read takes no more than that, and a second question has its own answer.
		line, err := bufio.NewReaderSize(io.LimitReader(in, maxPassword), maxPassword).ReadString('\n')
		if err == io.EOF && line == "" {
			err = io.ErrUnexpectedEOF
		} else if err == io.EOF {
			err = nil
		}
		answered <- answer{line, err}
	}()
	select {
	case got := <-answered:
		if got.err != nil {
			return "", usageError{fmt.Errorf("reading the password: %w", got.err)}
		}
		if got.line = strings.TrimRight(got.line, "\r\n"); got.line == "" {
			return "", usagef("the password is empty")
		}
		return got.line, nil
	case <-ctx.Done():
		return "", errInterrupted
	}
}
