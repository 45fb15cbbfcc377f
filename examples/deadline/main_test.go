package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(&out); err != nil {
		t.Fatal(err)
	}
	const want = `the client: deadline_exceeded
the second server gave up too; it had a deadline: true
the second server gave up too; it had a deadline: false
the client: canceled
`
	if out.String() != want {
		t.Errorf("got:\n%s", out.String())
	}
}
