package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/suite"
)

// pythonDialects is how many dialects python/dialects.py has, with and without multiplexing.
const pythonDialects = 28

// python returns an interpreter that has Apache Thrift's library. Where that or the compiler is missing, the test is
// skipped; under CI, where both are installed, it fails.
func python(t *testing.T) string {
	t.Helper()
	inFull(t)
	missing := func(what string) {
		t.Helper()
		if os.Getenv("KUAFU_CI") != "" || os.Getenv("CI") != "" {
			t.Fatal(what, "is missing")
		}
		t.Skip(what, "is missing; on Debian: apt-get install thrift-compiler python3-thrift")
	}
	if _, err := exec.LookPath("thrift"); err != nil {
		missing("Apache Thrift's compiler, thrift,")
	}
	for _, name := range []string{"/usr/bin/python3", "python3"} { // the distribution's, then whichever is first in PATH
		if exec.Command(name, "-c", "import thrift.protocol.THeaderProtocol").Run() == nil {
			return name
		}
	}
	missing("a Python with Apache Thrift's library")
	return ""
}

// command prepares a script that is killed when it takes too long.
func command(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	interpreter := python(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, interpreter, append([]string{"-B", "python/" + script}, args...)...)
}

func TestPythonClient(t *testing.T) {
	address := serveTest(t, "tcp://127.0.0.1:0")
	cmd := command(t, "client.py", strings.TrimPrefix(address, "tcp://"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	if n := strings.Count(stdout.String(), " ok\n"); n != pythonDialects {
		t.Errorf("%d dialects are ok, want %d:\n%s", n, pythonDialects, &stdout)
	}
}

func TestPythonClientUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "compat.sock")
	serveTest(t, "unix://"+path)
	out, err := command(t, "client.py", path, "framed-binary", "unframed-compact-c").CombinedOutput()
	if want := "framed-binary ok\nunframed-compact-c ok\n"; err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPythonServer(t *testing.T) {
	addresses := startPython(t)
	if len(addresses) != pythonDialects {
		t.Fatalf("%d dialects, want %d: %v", len(addresses), pythonDialects, addresses)
	}
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			// What is written in C and what compresses its replies is called by our client all the same.
			d, err := suite.Find(strings.NewReplacer("-c-mux", "-mux", "-zlib", "").Replace(strings.TrimSuffix(name, "-c")))
			if err != nil {
				t.Fatal(err)
			}
			runDialect(t, d, "tcp://"+address, false)
		})
	}
}

// startPython runs server.py until the test ends, and returns dialects' names with their addresses.
func startPython(t *testing.T) map[string]string {
	t.Helper()
	cmd := command(t, "server.py")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // which ends it
		if err := cmd.Wait(); err != nil {
			t.Errorf("server.py: %v", err)
		}
		if t.Failed() {
			t.Logf("server.py says:\n%s", &stderr)
		}
	})
	addresses := make(map[string]string)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "ready" {
		name, address, ok := strings.Cut(lines.Text(), " ")
		if !ok {
			t.Fatalf("server.py prints %q", lines.Text())
		}
		addresses[name] = address
	}
	return addresses
}
