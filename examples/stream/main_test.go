package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestServe: the server alone listens, and ends when it is told to.
func TestServe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stream.sock")
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, "unix://"+path) }()
	for deadline := time.Now().Add(time.Minute); ; {
		nc, err := net.Dial("unix", path)
		if err == nil {
			nc.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // another goroutine's listen(2) has no other sign
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
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
