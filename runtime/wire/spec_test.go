package wire

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// specExamples are the byte sequences that spec.md shows, made by this package.
func specExamples(t *testing.T) map[string][]byte {
	t.Helper()
	packed := *echo
	packed.Compress = rpc.CompressSnappy
	d := new(Dialect)

	var metadata rpc.Metadata
	if err := metadata.Add("tenant", "blue"); err != nil {
		t.Fatal(err)
	}
	call, err := d.AppendCall(nil, 1, echo, &echoed{Text: "hi"}, &CallOptions{Timeout: 500 * time.Millisecond, Metadata: metadata.Encoded()})
	if err != nil {
		t.Fatal(err)
	}
	read := &rpc.Method{Service: "Files", Name: "read", FullName: "Files.read"}
	stream, err := d.AppendCall(nil, 4, read, &echoed{Text: "hi"}, &CallOptions{Stream: true, Window: 262144})
	if err != nil {
		t.Fatal(err)
	}
	data := append(AppendDataHeader(nil, 4, FlagMore, 3), "hel"...)
	data = append(AppendDataHeader(data, 4, 0, 2), "lo"...)
	return map[string][]byte{
		"stream call": stream,
		"data":        AppendEnd(data, 4),
		"credit":      AppendCredit(nil, 4, 262144+DataCost(3)+DataCost(2)),
		"reset":       AppendReset(nil, 4, Reset{Final: DataCost(3) + DataCost(2), Code: rpc.Canceled, Message: "enough"}),
		"preamble":    AppendPreamble(nil, Preamble{Features: FeatureStreams, ID: rpc.ClientID(unhex(t, "00112233445566778899aabbccddeeff"))}),
		"call":        call,
		"reply":       d.AppendReply(nil, receive(t, call), rpc.Reply{Result: &echoed{Text: "hi", result: true}}),
		"compressed reply": d.AppendReply(nil, &rpc.Call{ID: 2, Handler: &rpc.Handler{Method: &packed}},
			rpc.Reply{Result: &echoed{Text: strings.Repeat("a", 100), result: true}}),
		"error": AppendError(nil, 3, &rpc.Error{Code: rpc.Unimplemented, Message: "no method shout in Echo", Execution: rpc.NotExecuted}),
		"advised error": AppendError(nil, 4, &rpc.Error{Code: rpc.DeadlineExceeded, Message: "too late", Execution: rpc.Executed,
			Advice: rpc.AdviceRetry, Stages: rpc.Stages{ServerQueue: time.Second, Handler: 500 * time.Microsecond}}),
		"goaway": AppendGoAway(nil, GoAway{Last: 3, Message: "shutdown"}),
	}
}

// A dump is a paragraph of lines "offset  bytes  what they are" under a line "dump of the NAME:".
var (
	dumpTitle = regexp.MustCompile(`(?m)^dump of the ([a-z ]+):$`)
	dumpLine  = regexp.MustCompile(`^([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+?)(?:  .*)?$`)
)

// readDumps returns the bytes of each dump in spec.md.
func readDumps(t *testing.T, spec string) map[string][]byte {
	t.Helper()
	dumps := make(map[string][]byte)
	for _, m := range dumpTitle.FindAllStringSubmatchIndex(spec, -1) {
		name := spec[m[2]:m[3]]
		text, _, ok := strings.Cut(strings.TrimPrefix(spec[m[1]:], "\n"), "\n```")
		if !ok {
			t.Fatalf("the dump of the %s does not end", name)
		}
		b := []byte{}
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			l := dumpLine.FindStringSubmatch(line)
			if l == nil {
				t.Fatalf("dump of the %s: cannot read %q", name, line)
			}
			if offset, err := strconv.ParseUint(l[1], 16, 16); err != nil || int(offset) != len(b) {
				t.Errorf("dump of the %s: %q is at offset %04x", name, line, len(b))
			}
			b = append(b, unhex(t, l[2])...)
		}
		dumps[name] = b
	}
	return dumps
}

func readSpec(t *testing.T) string {
	t.Helper()
	spec, err := os.ReadFile("spec.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(spec)
}

func TestSpecDumps(t *testing.T) {
	dumps, examples := readDumps(t, readSpec(t)), specExamples(t)
	for name, want := range examples {
		if got := dumps[name]; !bytes.Equal(got, want) {
			t.Errorf("%s: spec.md says\n% x\nbut it is\n% x", name, got, want)
		}
	}
	for name := range dumps {
		if _, ok := examples[name]; !ok {
			t.Errorf("nobody checks the dump of the %s", name)
		}
	}
}

// The limits in spec.md are those in the code.
func TestSpecLimits(t *testing.T) {
	spec := readSpec(t)
	for name, value := range map[string]int{
		"DefaultMaxFrame": DefaultMaxFrame, "DefaultMaxMessage": DefaultMaxMessage, "DefaultThreshold": DefaultThreshold,
		"DefaultWindow": DefaultWindow, "MaxData": MaxData, "DataOverhead": DataOverhead, "MinWindow": MinWindow,
		"MinMaxFrame": MinMaxFrame, "MaxHeader": MaxHeader, "MaxMethod": MaxMethod, "MaxMetadata": MaxMetadata,
		"MaxMetadataPairs": MaxMetadataPairs, "MaxMessageText": MaxMessageText,
	} {
		if row := fmt.Sprintf("| `%s` | %d |", name, value); !strings.Contains(spec, row) {
			t.Errorf("spec.md has no row %s", row)
		}
	}
}

// So are the numbers of kinds, codes and options.
func TestSpecNumbers(t *testing.T) {
	spec := readSpec(t)
	for k := KindCall; k.Known(); k++ {
		if row := fmt.Sprintf("| %d | %v |", k, k); !strings.Contains(spec, row) {
			t.Errorf("spec.md has no row %s", row)
		}
	}
	for c := rpc.Canceled; c.Valid(); c++ {
		if entry := fmt.Sprintf("%d %v", c, c); !strings.Contains(spec, entry) {
			t.Errorf("spec.md has no code %s", entry)
		}
	}
	for tag, name := range map[Tag]string{
		TagClientID: "client id", TagTimeout: "timeout", TagRetry: "retry count", TagMetadata: "metadata", TagStream: "stream", TagTrace: "trace context",
		TagNumber: "call number", TagAdvice: "advice", TagStages: "stages",
	} {
		if row := fmt.Sprintf("| %d | %s |", tag, name); !strings.Contains(spec, row) {
			t.Errorf("spec.md has no row %s", row)
		}
	}
}
