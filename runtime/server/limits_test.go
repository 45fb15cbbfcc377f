package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/reader"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// TestLimitsPage keeps docs/limits.md true: the tests and options that it names exist, and values that the code gives
// away are the ones it states.
func TestLimitsPage(t *testing.T) {
	root := filepath.Join("..", "..")
	page := sources(t, filepath.Join(root, "docs", "limits.md"))
	options := sources(t, "option*.go") + sources(t, "stream.go") + sources(t, "overload.go") + sources(t, filepath.Join(root, "runtime", "client", "*option*.go"))
	packages := make(map[string]string) // the tests of a package
	rows, next := 0, regexp.MustCompile("`([a-z/]+)\\.(Test[A-Za-z0-9]+)`")
	named := regexp.MustCompile("`(With[A-Za-z]+)`")
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Limit ") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 5 {
			t.Errorf("%d cells in %s", len(cells), line)
			continue
		}
		tests := next.FindAllStringSubmatch(cells[4], -1)
		if len(tests) == 0 {
			t.Errorf("no test proves %s", line)
		}
		for _, m := range tests {
			pkg, name := m[1], m[2]
			if packages[pkg] == "" {
				packages[pkg] = sources(t, filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
			}
			if !strings.Contains(packages[pkg], "\nfunc "+name+"(") {
				t.Errorf("%s has no %s", pkg, name)
			}
		}
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(options, "\nfunc "+m[1]+"(") {
				t.Errorf("neither server nor client has an option %s", m[1])
			}
		}
	}
	if rows < 50 {
		t.Errorf("only %d rows were found", rows)
	}

	c := reader.Config{Registry: new(rpc.Registry), Dialect: new(wire.Dialect), Dispatcher: nobody{}}
	if err := c.ApplyDefaultsAndValidate(); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"bytes until the protocol is known":                           fmt.Sprint(thrift.MaxDetect),
		"time to the first complete frame":                            fmt.Sprintf("%.0f s", c.FirstFrameTimeout.Seconds()),
		"time from a later frame's first byte":                        fmt.Sprintf("%.0f s", c.FrameTimeout.Seconds()),
		"rate of a frame":                                             thousands(c.MinRate) + " bytes/s",
		"time without a byte":                                         fmt.Sprintf("%.0f min", c.IdleTimeout.Minutes()),
		"calls in flight on a connection":                             thousands(c.MaxCalls),
		"streams of a connection":                                     thousands(c.MaxStreams),
		"memory for what clients send on the streams of a connection": mib(c.StreamMemory),
		"memory for what clients send on all streams":                 mib(int(c.Memory.Limit())),
		"calls canceled within 1 ms of their arrival":                 fmt.Sprint(c.MaxCancels),
		"bytes of these calls' bodies":                                mib(c.MaxCallBytes),
		"frame, without its 16 bytes":                                 thousands(wire.DefaultMaxFrame) + " bytes",
		"the least that a frame's limit may be":                       kib(wire.MinMaxFrame),
		"header of a call":                                            kib(wire.MaxHeader),
		"method's full name":                                          fmt.Sprint(wire.MaxMethod, " bytes"),
		"metadata":                                                    fmt.Sprintf("%s, %d pairs", kib(wire.MaxMetadata), wire.MaxMetadataPairs),
		"text of an error":                                            kib(wire.MaxMessageText),
		"framed message":                                              thousands(thrift.DefaultMaxFrame) + " bytes",
		"unframed message":                                            mib(c.MaxMessage),
		"method's name, service included":                             fmt.Sprint(thrift.MaxName, " bytes"),
		"transforms of a THeader frame":                               fmt.Sprint(thrift.MaxTransforms),
		"info headers of a THeader frame":                             fmt.Sprintf("%s, %d pairs", kib(thrift.MaxInfoBytes), thrift.MaxInfoPairs),
		"body, decompressed":                                          mib(wire.DefaultMaxMessage),
		"size from which on bodies are compressed":                    kib(wire.DefaultThreshold),
		"nesting of structs; while skipping":                          fmt.Sprint(codec.MaxDepth),
		"elements of a container":                                     thousands(codec.MaxElements),
		"memory for decoding, on both sides":                          fmt.Sprintf("%d x the message + %s", codec.AllocFactor, kib(codec.AllocBase)),
	} {
		if !regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(name) + `[^|]*\| ` + regexp.QuoteMeta(value) + `\b`).MatchString(page) {
			t.Errorf("%q is not said to be %s", name, value)
		}
	}
}

// sources returns the files that a pattern matches, one after the other.
func sources(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	var b strings.Builder
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(src)
	}
	return b.String()
}

type nobody struct{}

func (nobody) Dispatch([]*rpc.Call) {}

func kib(n int) string { return fmt.Sprint(n>>10, " KiB") }
func mib(n int) string { return fmt.Sprint(n>>20, " MiB") }

// thousands writes n with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
