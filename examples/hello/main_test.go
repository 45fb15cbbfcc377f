package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const heard = `Hello, Ada!
Welcome, Rear Admiral Grace. (greeting 1)
Hello, Ada! (greeting 2)
Mallory is told: we know what you did
not_found; executed
`

func TestBoth(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	if want := "-- over TCP\n" + heard + "-- over a Unix socket\n" + heard; out.String() != want {
		t.Errorf("got:\n%s", out.String())
	}
}

func TestServeAndVisit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hello.sock")
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- run(ctx, nil, []string{"serve", "unix://" + path}) }()
	deadline := time.Now().Add(time.Minute)
	for _, err := os.Stat(path); err != nil && time.Now().Before(deadline); _, err = os.Stat(path) {
		time.Sleep(5 * time.Millisecond) // another goroutine's listen(2) has no other sign
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out, []string{"visit", "unix://" + path}); err != nil {
		t.Error(err)
	}
	if out.String() != heard {
		t.Errorf("got:\n%s", out.String())
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"serve"}, {"visit"}, {"dance", "x"}, {"visit", "a", "b"}} {
		if err := run(t.Context(), nil, args); err == nil || !strings.Contains(err.Error(), "usage") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
