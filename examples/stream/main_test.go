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
	const want = `uploaded zeros: 10485760 bytes
downloaded zeros: 10485760 bytes
no file ones
> hello
< hello? tell me more
> streams are nice
< streams are nice? tell me more
< goodbye
`
	if out.String() != want {
		t.Errorf("got:\n%s", out.String())
	}
}
