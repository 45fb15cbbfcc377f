package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestCodes(t *testing.T) {
	seen := make(map[string]bool)
	for c := Canceled; c <= Unauthenticated; c++ {
		if !c.Valid() || seen[c.String()] || c.String() == "" {
			t.Errorf("%d: %v", uint8(c), c)
		}
		seen[c.String()] = true
	}
	for _, c := range []Code{0, Unauthenticated + 1, 255} {
		if want := fmt.Sprintf("code(%d)", uint8(c)); c.Valid() || c.String() != want {
			t.Errorf("%d: %v", uint8(c), c)
		}
	}
}

func TestErrorText(t *testing.T) {
	e := &Error{Code: Unavailable, Message: "connection refused"}
	if got := e.Error(); got != "unavailable: connection refused" {
		t.Error(got)
	}
	e.Method, e.Execution = "Echo.echo", NotExecuted
	if got := e.Error(); got != "Echo.echo: unavailable: connection refused (not executed)" {
		t.Error(got)
	}
}

func TestErrorChain(t *testing.T) {
	e := Errorf(DataLoss, "reading block %d: %w", 7, io.ErrUnexpectedEOF)
	if !errors.Is(e, io.ErrUnexpectedEOF) || e.Message != "reading block 7: unexpected EOF" {
		t.Errorf("%v", e)
	}
	for _, tc := range []struct {
		err  error
		code Code
	}{
		{fmt.Errorf("outer: %w", e), DataLoss},
		{fmt.Errorf("outer: %w", context.Canceled), Canceled},
		{context.DeadlineExceeded, DeadlineExceeded},
		{io.EOF, Unknown},
	} {
		if got := CodeOf(tc.err); got != tc.code {
			t.Errorf("%v: %v, want %v", tc.err, got, tc.code)
		}
	}
	late, gone := NewError(DeadlineExceeded, ""), NewError(Canceled, "")
	if !errors.Is(late, context.DeadlineExceeded) || errors.Is(late, context.Canceled) ||
		!errors.Is(gone, context.Canceled) || errors.Is(gone, context.DeadlineExceeded) {
		t.Error("the context's errors are not recognized")
	}
}
