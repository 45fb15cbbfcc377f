package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// closedPort returns an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestMistakes: what goes wrong, with which exit status, and what the user is told.
func TestMistakes(t *testing.T) {
	full, bare, nobody := serve(t, sights), serve(t, nil), closedPort(t)
	const hello = root + "/examples/hello/hello.idl"
	for _, test := range []struct {
		line   string
		status int
		want   string
	}{
		{"nonsense", exitUsage, `unknown command "nonsense"`},
		{"call --nonsense", exitUsage, "unknown flag: --nonsense"},
		{"call FULL", exitUsage, "want an address and Service.method"},
		{"list FULL a b", exitUsage, "want an address"},
		{"list FULL -o yaml", exitUsage, `--output is "yaml"`},
		{"man", exitUsage, "want one directory"},
		{"call ftp://x/ Greeter.greet", exitUsage, `unknown scheme "ftp"`},
		{"call FULL greet", exitUsage, `"greet" is no method`},
		{"call FULL Greter.greet", exitUsage, `no service "Greter" is registered`},
		{"call FULL Greeter.forget -m secret", exitUsage, `--metadata "secret": want key=value`},
		{"call FULL Greeter.forget -m K=v", exitUsage, "--metadata: "},
		{"call FULL Greeter.gret", exitUsage, "service Greeter has no method gret; did you mean greet?"},
		{"call FULL Greeter.greet -d {", exitUsage, "JSON: line 1, column 2: unexpected end"},
		{"call FULL Greeter.greet -d @/does/not/exist", exitUsage, "no such file"},
		{"call FULL Greeter.count -d []", exitUsage, "args: want an object, found an array"},
		{"call FULL Greeter.greet --thrift framed", exitUsage, "give --idl"},
		{"call FULL Greeter.greet --thrift fancy --idl " + hello, exitUsage, `unknown word "fancy"`},
		{"call FULL Greeter.greet --thrift compact,nonstrict --idl " + hello, exitUsage, "only binary can be nonstrict"},
		{"call FULL Greeter.greet --idl /does/not/exist.idl", exitUsage, "no such file"},
		{"call FULL Greter.greet --idl " + hello, exitUsage, "no service Greter; did you mean Greeter?"},
		{"describe FULL Gest", exitUsage, "nothing is called Gest; did you mean Guest?"},
		{"describe FULL Greeter.gret", exitUsage, "did you mean greet?"},
		{"describe FULL --template", exitUsage, "--template wants"},
		{"describe FULL Manner --template", exitUsage, "neither a method nor a struct"},
		{"bench FULL Greeter.forget -c 0", exitUsage, "-c is 0"},
		{"bench FULL Greeter.forget -n -1", exitUsage, "-n is -1"},
		{"bench FULL Greeter.forget -t 0s", exitUsage, "there must be an end"},
		{"bench FULL Greeter.forget --rate NaN", exitUsage, "--rate is NaN"},
		{"bench FULL Greeter.forget --connections 65", exitUsage, "--connections is 65"},

		{"call FULL Greeter.greet -d {\"guest\":{\"name\":\"\"}}", exitFailed, "Greeter.greet: invalid_argument: a guest has a name (executed)"},
		{"bench FULL Greeter.count -d {\"name\":\"X\"} -n 10 -c 2", exitFailed, "10 of 10 calls failed"},
		{"list BARE", exitFailed, "the server has no reflection service"},
		{"describe BARE", exitFailed, "give --idl"},
		{"health BARE", exitFailed, "the server has no health service with this method: register"},

		{"call NOBODY Greeter.greet", exitConnection, "connection refused"},
		{"list NOBODY", exitConnection, "connection refused"},
		{"describe NOBODY", exitConnection, "connection refused"},
		{"health unix:///does/not/exist", exitConnection, "no such file"},
		{"bench NOBODY Greeter.greet --idl " + hello + " -d {\"guest\":{\"name\":\"x\"}}", exitConnection, "connection refused"},
	} {
		args := strings.Fields(strings.NewReplacer("FULL", full, "BARE", bare, "NOBODY", nobody).Replace(test.line))
		status, stdout, stderr := kuafu(t, "", args...)
		if status != test.status || !strings.Contains(stderr, test.want) || !strings.HasPrefix(stderr, "kuafu: ") {
			t.Errorf("%s\nexit status %d, want %d, stderr %q, want %q", test.line, status, test.status, stderr, test.want)
		}
		if stdout != "" && !strings.HasPrefix(test.line, "bench") {
			t.Errorf("%s: an error, and on standard output %q", test.line, stdout)
		}
	}
}

// TestData: arguments come from the command line, a file or standard input.
func TestData(t *testing.T) {
	address := serve(t, sights)
	file := filepath.Join(t.TempDir(), "guest.json")
	const guest = `{"guest": {"name": "Ada"}}`
	if err := os.WriteFile(file, []byte(guest), 0o666); err != nil {
		t.Fatal(err)
	}
	for i, data := range []string{guest, "@" + file, "-"} {
		status, stdout, stderr := kuafu(t, guest, "call", address, "Greeter.greet", "-d", data)
		var got struct {
			Text  string
			Count int
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != 0 || got.Text != "Hello, Ada!" || got.Count != i+1 {
			t.Errorf("-d %s: exit status %d, %v, %s%s", data, status, err, stdout, stderr)
		}
	}
	// Nothing is printed for a oneway method; that it has arrived shows in what follows, on another connection, in time.
	if status, stdout, stderr := kuafu(t, "", "call", address, "Greeter.farewell", "-d", `{"name":"Ada"}`); status != 0 || stdout+stderr != "" {
		t.Errorf("farewell: %d, %q, %q", status, stdout, stderr)
	}
}

// TestJSONErrors: with -o json, errors of every kind are JSON.
func TestJSONErrors(t *testing.T) {
	address := serve(t, sights)
	for data, want := range map[string]string{
		`{"guest":{"name":"Mallory"}}`: `{"exception":{"method":"Greeter.greet","name":"Unwelcome","value":{"reason":"we know what you did"}}}`,
		`{"guest":{"name":""}}`:        `{"error":{"code":"invalid_argument","message":"a guest has a name","method":"Greeter.greet","execution":"executed"}}`,
		`{"guest":{}}`:                 `{"error":{"message":"args.guest.name: required field is missing"}}`,
	} {
		_, _, stderr := kuafu(t, "", "call", address, "Greeter.greet", "-d", data, "-o", "json")
		if got := strings.Join(strings.Fields(stderr), ""); got != strings.Join(strings.Fields(want), "") {
			t.Errorf("%s:\n%s", data, stderr)
		}
	}
}

// TestTimeout: --timeout ends a call that the server does not answer, and it is the call that has failed.
func TestTimeout(t *testing.T) {
	address := serve(t, func(srv *server.Server) []*rpc.Service {
		return append(sights(srv), slow())
	})
	status, _, stderr := kuafu(t, "", "call", address, "Slow.wait", "--timeout", "1s") // it is for connecting, too
	if status != exitFailed || !strings.Contains(stderr, "deadline_exceeded") {
		t.Errorf("exit status %d, %s", status, stderr)
	}
	ctx, cancel := context.WithCancel(t.Context()) // a deadline would travel, and the server could say first that it has passed
	defer cancel()
	time.AfterFunc(50*time.Millisecond, cancel)
	var errs strings.Builder
	status = run(ctx, []string{"call", address, "Slow.wait", "--timeout", "1h"}, nil, &errs, &errs)
	if status != exitFailed || errs.String() != "kuafu: interrupted\n" {
		t.Errorf("interrupted: exit status %d, %s", status, errs.String())
	}
}

// TestTransientExceptions: an idempotent call that ends with one is made again; if that is all that comes of it, it is shown.
func TestTransientExceptions(t *testing.T) {
	for _, tt := range []struct {
		times  int64
		status int
		out    string
	}{
		{2, exitOK, "3\n"},
		{1000, exitFailed, "kuafu: Moody.ask: exception Busy: {\"asked\":4} (executed)\n"},
	} {
		address := serve(t, func(srv *server.Server) []*rpc.Service { return append(sights(srv), moody(tt.times)) })
		status, stdout, stderr := kuafu(t, "", "call", address, "Moody.ask")
		if status != tt.status || stdout+stderr != tt.out {
			t.Errorf("%d times: exit status %d, %s%s", tt.times, status, stdout, stderr)
		}
	}
}

// TestMetadata: pairs travel with the calls, in their order.
func TestMetadata(t *testing.T) {
	seen := make(chan []string, 1)
	address := serve(t, func(srv *server.Server) []*rpc.Service {
		s := slow()
		s.Handlers[0].Invoke = func(ctx context.Context, _ codec.Decodable) (codec.Encodable, error) {
			m := rpc.MetadataFrom(ctx)
			var pairs []string
			for k, v := range m.All() {
				pairs = append(pairs, k+"="+v)
			}
			seen <- pairs
			return nil, rpc.NewError(rpc.Aborted, "seen")
		}
		return append(sights(srv), s)
	})
	status, _, stderr := kuafu(t, "", "call", address, "Slow.wait", "-m", "user=ada", "--metadata", "tag=a=b", "-m", "user=")
	if status != exitFailed || !strings.Contains(stderr, "aborted: seen") {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	if diff := cmp.Diff([]string{"user=ada", "tag=a=b", "user="}, <-seen); diff != "" {
		t.Error(diff)
	}
}

// TestBenchJSON: the figures add up.
func TestBenchJSON(t *testing.T) {
	address := serve(t, sights)
	status, stdout, stderr := kuafu(t, "", "bench", address, "Greeter.greet", "-d", `{"guest":{"name":"Mallory"}}`, "-n", "50", "-c", "5", "--json")
	var got jsonBench
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	if status != exitFailed || got.Calls != 50 || got.Failures["Unwelcome"] != 50 || got.Method != "Greeter.greet" || got.Concurrency != 5 {
		t.Errorf("exit status %d, %+v", status, got)
	}
	l := got.Latency
	if !(0 < l["min"] && l["min"] <= l["p50"] && l["p50"] <= l["p99"] && l["p99"] <= l["p99.99"] && l["p99.99"] <= l["max"]) {
		t.Errorf("latencies %v", l)
	}
}

// TestManualPages: each command has one, and it is the same whenever it is made.
func TestManualPages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "0")
	dir := filepath.Join(t.TempDir(), "man1")
	if status, _, stderr := kuafu(t, "", "man", dir); status != 0 {
		t.Fatal(stderr)
	}
	for _, name := range []string{"kuafu", "kuafu-call", "kuafu-list", "kuafu-describe", "kuafu-health", "kuafu-bench", "kuafu-man",
		"kuafu-auth", "kuafu-auth-hash-secret"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil || !strings.Contains(string(text), ".SH SYNOPSIS") {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Contains([]string{"kuafu-call", "kuafu-list", "kuafu-describe", "kuafu-health", "kuafu-bench"}, name) {
			continue
		}
		plain := strings.ReplaceAll(string(text), `\-`, "-")
		for _, flag := range []string{"tls", "ca", "cert", "key", "server-name", "user", "password-file", "metadata", "timeout"} {
			if !strings.Contains(plain, "--"+flag) {
				t.Errorf("%s does not mention --%s", name, flag)
			}
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if status, stdout, stderr := kuafu(t, "", "completion", shell); status != 0 || !strings.Contains(stdout, "kuafu") {
			t.Errorf("%s: exit status %d, %s", shell, status, stderr)
		}
	}
	// What the scripts of shells ask.
	for _, test := range [][]string{ // the last is what must be offered
		{"call", "--pass", "--password-file"}, {"health", "--", "--watch"}, {"describe", "--server", "--server-name"},
		{"call", "--thrift", "", "compact"}, {"list", "-o", "", "json"}, {"auth", "", "hash-secret"}, {"bench", "--ca", "", ":8"},
	} {
		words, want := test[:len(test)-1], test[len(test)-1]
		status, stdout, _ := kuafu(t, "", append([]string{"__complete"}, words...)...)
		if status != 0 || !strings.Contains(stdout, want) {
			t.Errorf("%q offers\n%s, which lacks %s", words, stdout, want)
		}
	}
}
