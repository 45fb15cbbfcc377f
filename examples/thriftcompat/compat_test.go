package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/compat"
	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/suite"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// serveTest serves on address until the test ends.
func serveTest(t *testing.T, address string) (bound string) {
	t.Helper()
	bound, stop, err := start(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error("stopping the server:", err)
		}
	})
	return bound
}

// inFull skips the test in short mode, in which one pass over all dialects, and one over all at once, are enough.
func inFull(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("short mode")
	}
}

// runDialect runs the suite in d against address.
func runDialect(t *testing.T, d suite.Dialect, address string, identities bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	calls, err := d.Run(ctx, address, identities)
	if err != nil {
		t.Fatalf("after %d calls: %v", calls, err)
	}
	if calls < 150 {
		t.Errorf("%d calls are not the whole suite", calls)
	}
}

func TestOwnClient(t *testing.T) {
	address := serveTest(t, "tcp://127.0.0.1:0")
	for _, d := range suite.Dialects() {
		t.Run(d.Name, func(t *testing.T) { runDialect(t, d, address, true) })
	}
}

// TestUnixSocket tries one dialect of each kind: what differs is below them.
func TestUnixSocket(t *testing.T) {
	address := serveTest(t, "unix://"+filepath.Join(t.TempDir(), "compat.sock"))
	for _, name := range []string{"native-binary", "framed-compact", "unframed-binary-mux", "header-compact"} {
		t.Run(name, func(t *testing.T) {
			d, err := suite.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			runDialect(t, d, address, true)
		})
	}
}

// TestOneAtATime has the client wait for each reply before it sends the next call, as it does unless told otherwise.
func TestOneAtATime(t *testing.T) {
	inFull(t)
	address := serveTest(t, "tcp://127.0.0.1:0")
	for _, d := range suite.Dialects() {
		if d.Thrift != nil && d.Thrift.Service == "" {
			d.Thrift.Pipeline = 0
			t.Run(d.Name, func(t *testing.T) { runDialect(t, d, address, true) })
		}
	}
}

// TestSideBySide speaks every dialect at once with one port.
func TestSideBySide(t *testing.T) {
	address := serveTest(t, "tcp://127.0.0.1:0")
	t.Run("all", func(t *testing.T) { // returns after the parallel ones
		for _, d := range suite.Dialects() {
			t.Run(d.Name, func(t *testing.T) {
				t.Parallel()
				runDialect(t, d, address, true)
			})
		}
	})
}

// TestSuiteSeesDifferences makes sure that the suite can fail.
func TestSuiteSeesDifferences(t *testing.T) {
	for _, which := range []compat.Specimen{compat.SpecimenUsual, compat.SpecimenBare, compat.SpecimenExtreme} {
		a, b := suite.Specimen(which), suite.Specimen(which)
		if !suite.Equal(a, b) {
			t.Fatalf("%v differs from itself", which)
		}
		for name, change := range map[string]func(*compat.Everything){
			"a scalar":           func(v *compat.Everything) { v.Scalars.Large++ },
			"presence":           func(v *compat.Everything) { v.Presence.Never = new(int32) },
			"a default":          func(v *compat.Everything) { v.Defaults.Maybe = new(int32) },
			"an absent list":     func(v *compat.Everything) { v.Containers.Flags = nil },
			"a set's element":    func(v *compat.Everything) { v.Containers.Numbers = append(v.Containers.Numbers, 9999) },
			"a member of a tree": func(v *compat.Everything) { v.Tree.Twin = new(compat.Tree) },
		} {
			b := suite.Specimen(which)
			change(b)
			if suite.Equal(a, b) {
				t.Errorf("%v: %s makes no difference", which, name)
			}
		}
	}

	address := serveTest(t, "tcp://127.0.0.1:0")
	d := suite.Dialect{Name: "another service", Thrift: &client.Thrift{Service: "Nobody"}}
	_, err := d.Run(t.Context(), address, true)
	if err == nil || rpc.CodeOf(err) != rpc.Unimplemented {
		t.Errorf("a service that is not there: %v", err)
	}
}

func TestRun(t *testing.T) {
	inFull(t)
	var out bytes.Buffer
	if err := run(t.Context(), &out, nil); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if want := len(suite.Dialects()) + 1; len(lines) != want {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), want, &out)
	}
	for _, line := range lines[1:] {
		if !strings.HasSuffix(line, " ok") {
			t.Error(line)
		}
	}

	out.Reset()
	address := serveTest(t, "tcp://127.0.0.1:0")
	if err := run(t.Context(), &out, []string{"check", address, "framed-compact"}); err != nil || !strings.HasSuffix(out.String(), " ok\n") {
		t.Errorf("one dialect: %v\n%s", err, &out)
	}
	out.Reset()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(done, &out, []string{"serve", "tcp://127.0.0.1:0"}); err != nil || !strings.HasPrefix(out.String(), "serving on tcp://127.0.0.1:") {
		t.Errorf("a server that is interrupted: %v\n%s", err, &out)
	}

	if err := run(t.Context(), &out, []string{"check", address, "smoke signals"}); err == nil {
		t.Error("an unknown dialect is no error")
	}
	if err := run(t.Context(), &out, []string{"dance"}); err == nil || !strings.Contains(err.Error(), "usage") {
		t.Errorf("a wrong command: %v", err)
	}
}
