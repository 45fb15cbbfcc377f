package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

var (
	testID    = rpc.ClientID([]byte("0123456789abcdef"))
	testTrace = []byte("0123456789abcdef01234567\x01")
)

func TestCallHeaderBytes(t *testing.T) {
	for _, tc := range []struct {
		name string
		h    CallHeader
		want string
	}{
		{"least", CallHeader{Method: []byte("E.e")}, "00 00 03 452e65"},
		{"compressed", CallHeader{Method: []byte("E.e"), Encoding: codec.Compact, Compression: CompressionSnappy, RawSize: 5000},
			"02 01 03 452e65 8827"},
		{"everything", CallHeader{Method: []byte("E.e"), CallOptions: CallOptions{
			Timeout: 500 * time.Millisecond, ClientID: testID, HasClientID: true, Retry: 3, Metadata: []byte("\x01k\x02vv"), Trace: testTrace,
		}}, "00 00 03 452e65" +
			" 01 10 30313233343536373839616263646566" +
			" 02 03 a0c21e" +
			" 03 01 03" +
			" 04 05 016b027676" +
			" 06 19 303132333435363738396162636465663031323334353637 01"},
	} {
		want := unhex(t, tc.want)
		if got := AppendCallHeader([]byte("before"), &tc.h); !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Errorf("%s: got %x, want %x", tc.name, got, want)
		}
		got, err := ParseCallHeader(want)
		if diff := cmp.Diff(tc.h, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", tc.name, err, diff)
		}
	}
}

func TestCallHeaderRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	some := func(n int) []byte {
		b := make([]byte, rng.IntN(n)+1)
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz0123456789_.-"[rng.IntN(39)]
		}
		return b
	}
	for range 500 {
		h := CallHeader{Method: some(MaxMethod), Encoding: codec.Encoding(2 * rng.IntN(2))}
		if rng.IntN(2) == 0 {
			h.Compression, h.RawSize = CompressionSnappy, int(rng.Int32()>>rng.IntN(31))
		}
		if rng.IntN(2) == 0 {
			h.Timeout = time.Duration(rng.Int64N(math.MaxInt64/1000)>>rng.IntN(50)+1) * time.Microsecond
		}
		if rng.IntN(2) == 0 {
			h.HasClientID = true
			binary.BigEndian.PutUint64(h.ClientID[:], rng.Uint64())
		}
		if rng.IntN(2) == 0 {
			h.Retry = rng.Uint32()>>rng.IntN(31) | 1
		}
		var m rpc.Metadata
		for range rng.IntN(5) {
			if err := m.Add(string(some(20)), string(some(100))); err != nil {
				t.Fatal(err)
			}
		}
		h.Metadata = m.Encoded()
		if rng.IntN(2) == 0 {
			h.Trace = testTrace
		}
		b := AppendCallHeader(nil, &h)
		got, err := ParseCallHeader(b)
		if diff := cmp.Diff(h, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%x: %v (-want +got)\n%s", b, err, diff)
		}
	}
}

// A deadline is rounded up to microseconds: it must neither vanish nor come before the client's.
func TestTimeoutIsRoundedUp(t *testing.T) {
	for sent, want := range map[time.Duration]time.Duration{
		0: 0, -1: 0, 1: time.Microsecond, 999: time.Microsecond, 1000: time.Microsecond, 1001: 2 * time.Microsecond,
		time.Hour: time.Hour, time.Hour + 1: time.Hour + time.Microsecond,
	} {
		h, err := ParseCallHeader(AppendCallHeader(nil, &CallHeader{Method: []byte("m"), CallOptions: CallOptions{Timeout: sent}}))
		if err != nil || h.Timeout != want {
			t.Errorf("%v became %v, %v; want %v", sent, h.Timeout, err, want)
		}
	}
	// The longest there is would round up to more than a Duration holds.
	h, err := ParseCallHeader(AppendCallHeader(nil, &CallHeader{Method: []byte("m"), CallOptions: CallOptions{Timeout: math.MaxInt64}}))
	if err != nil || h.Timeout < math.MaxInt64-1000 {
		t.Errorf("the longest timeout became %v, %v", h.Timeout, err)
	}
}

func TestCallHeaderIsRefused(t *testing.T) {
	start := "\x00\x00\x01m"
	id := string(testID[:])
	pair := "\x01k\x01v"
	option := func(tag Tag, value string) string { return start + string(appendOption(nil, tag, []byte(value))) }
	uvarint := func(v uint64) string { return string(binary.AppendUvarint(nil, v)) }
	for _, tc := range []struct {
		name string
		b    string
		code rpc.Code // 0: taken
	}{
		{"least", start, 0},
		{"empty", "", rpc.InvalidArgument},
		{"one byte", "\x00", rpc.InvalidArgument},
		{"no method", "\x00\x00", rpc.InvalidArgument},
		{"empty method", "\x00\x00\x00", rpc.InvalidArgument},
		{"truncated method", "\x00\x00\x02m", rpc.InvalidArgument},
		{"method length without end", "\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", rpc.InvalidArgument},
		{"largest method length", "\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01m", rpc.InvalidArgument},
		{"overlong method length", "\x00\x00\x81\x00m", rpc.InvalidArgument},
		{"longest method", "\x00\x00\x80\x02" + strings.Repeat("m", MaxMethod), 0},
		{"method too long", "\x00\x00\x81\x02" + strings.Repeat("m", MaxMethod+1), rpc.ResourceExhausted},
		{"encoding 1", "\x01\x00\x01m", rpc.Unimplemented},
		{"encoding 255", "\xff\x00\x01m", rpc.Unimplemented},
		{"compression 2", "\x00\x02\x01m\x05", rpc.Unimplemented},
		{"no size", "\x00\x01\x01m", rpc.InvalidArgument},
		{"size 0", "\x00\x01\x01m\x00", 0},
		{"largest size", "\x00\x01\x01m" + uvarint(math.MaxInt32), 0},
		{"size too large", "\x00\x01\x01m" + uvarint(math.MaxInt32+1), rpc.InvalidArgument},
		{"size is negative as an int", "\x00\x01\x01m" + uvarint(math.MaxUint64), rpc.InvalidArgument},
		{"overlong size", "\x00\x01\x01m\x85\x00", rpc.InvalidArgument},

		{"option 0", start + "\x00\x00", rpc.InvalidArgument},
		{"option without length", start + "\x02", rpc.InvalidArgument},
		{"truncated option", start + "\x08\x02x", rpc.InvalidArgument},
		{"option with the largest length", start + "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", rpc.InvalidArgument},
		{"unknown even option", option(8, "?"), 0},
		{"highest even option", option(254, "?"), 0},
		{"unknown odd option", option(9, ""), rpc.Unimplemented},
		{"highest odd option", option(255, ""), rpc.Unimplemented},
		{"given twice", option(TagRetry, "\x01") + string(appendOption(nil, TagRetry, []byte{1})), rpc.InvalidArgument},
		{"unknown, given twice", option(200, "") + string(appendOption(nil, 200, nil)), rpc.InvalidArgument},
		{"two unknown", option(8, "") + string(appendOption(nil, 200, nil)), 0},
		{"client id", option(TagClientID, id), 0},
		{"short client id", option(TagClientID, id[:15]), rpc.InvalidArgument},
		{"long client id", option(TagClientID, id+"x"), rpc.InvalidArgument},
		{"timeout of 0", option(TagTimeout, "\x00"), rpc.InvalidArgument},
		{"timeout of 1", option(TagTimeout, "\x01"), 0},
		{"longest timeout", option(TagTimeout, uvarint(math.MaxInt64/1000)), 0},
		{"timeout too long", option(TagTimeout, uvarint(math.MaxInt64/1000+1)), rpc.InvalidArgument},
		{"no timeout in the option", option(TagTimeout, ""), rpc.InvalidArgument},
		{"more than a timeout", option(TagTimeout, "\x01\x01"), rpc.InvalidArgument},
		{"overlong timeout", option(TagTimeout, "\x81\x00"), rpc.InvalidArgument},
		{"retry 0", option(TagRetry, "\x00"), rpc.InvalidArgument},
		{"highest retry", option(TagRetry, uvarint(math.MaxUint32)), 0},
		{"retry too high", option(TagRetry, uvarint(math.MaxUint32+1)), rpc.InvalidArgument},
		{"empty metadata", option(TagMetadata, ""), 0},
		{"most pairs", option(TagMetadata, strings.Repeat(pair, MaxMetadataPairs)), 0},
		{"too many pairs", option(TagMetadata, strings.Repeat(pair, MaxMetadataPairs+1)), rpc.ResourceExhausted},
		{"most metadata", option(TagMetadata, "\x01k"+string(appendText(nil, strings.Repeat("v", MaxMetadata-4)))), 0},
		{"too much metadata", option(TagMetadata, "\x01k"+string(appendText(nil, strings.Repeat("v", MaxMetadata-3)))), rpc.ResourceExhausted},
		{"truncated pair", option(TagMetadata, "\x01k\x02v"), rpc.InvalidArgument},
		{"key without value", option(TagMetadata, "\x01k"), rpc.InvalidArgument},
		{"empty key", option(TagMetadata, "\x00\x01v"), rpc.InvalidArgument},
		{"upper-case key", option(TagMetadata, "\x01K\x01v"), rpc.InvalidArgument},
		{"line break in a value", option(TagMetadata, "\x01k\x01\n"), rpc.InvalidArgument},
		{"trace", option(TagTrace, string(testTrace)), 0},
		{"short trace", option(TagTrace, string(testTrace[1:])), rpc.InvalidArgument},
		{"empty trace", option(TagTrace, ""), rpc.InvalidArgument},
		{"stream that only the client writes", option(TagStream, "\x00"), 0},
		{"stream with the smallest window", option(TagStream, "\x80\x80\x04"), 0},
		{"stream with too small a window", option(TagStream, "\xff\xff\x03"), rpc.InvalidArgument},
		{"stream with the largest window", option(TagStream, "\xff\xff\xff\xff\xff\xff\xff\xff\x3f"), 0},
		{"stream with too large a window", option(TagStream, "\x80\x80\x80\x80\x80\x80\x80\x80\x40"), rpc.InvalidArgument},
		{"stream without a window", option(TagStream, ""), rpc.InvalidArgument},
		{"longest header", option(100, strings.Repeat("x", MaxHeader-7)), 0},
		{"header too long", option(100, strings.Repeat("x", MaxHeader-6)), rpc.ResourceExhausted},
	} {
		h, err := ParseCallHeader([]byte(tc.b))
		if tc.code == 0 {
			if err != nil || len(h.Method) == 0 {
				t.Errorf("%s: %q, %v", tc.name, h.Method, err)
			}
			continue
		}
		var e *rpc.Error
		if !errors.As(err, &e) || e.Code != tc.code || e.Execution != rpc.NotExecuted || e.Message == "" || e.Remote {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.code)
		}
		if diff := cmp.Diff(CallHeader{}, h); diff != "" {
			t.Errorf("%s: something came with the error: %s", tc.name, diff)
		}
	}
}

func TestMetadata(t *testing.T) {
	type pair struct{ key, value string }
	want := []pair{{"tenant", "blue"}, {"x-y_z.0", ""}, {"tenant", "\x01 any bytes \xff"}}
	var m rpc.Metadata
	for _, p := range want {
		if err := m.Add(p.key, p.value); err != nil {
			t.Fatal(err)
		}
	}
	b := m.Encoded()
	var got []pair
	for k, v := range Metadata(b) {
		got = append(got, pair{string(k), string(v)})
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for key, want := range map[string]string{"tenant": "blue", "x-y_z.0": ""} {
		if v, ok := LookupMetadata(b, key); !ok || string(v) != want {
			t.Errorf("%s: got %q, %v", key, v, ok)
		}
	}
	if v, ok := LookupMetadata(b, "tenan"); ok {
		t.Errorf("found %q for a key that is not there", v)
	}
	for range Metadata(b) { // leaving early
		break
	}
	for n := range b { // any prefix ends quietly
		for k := range Metadata(b[:n]) {
			if len(k) == 0 {
				t.Errorf("prefix of %d bytes: an empty key", n)
			}
		}
	}
}

func TestUvarint(t *testing.T) {
	for b, want := range map[string]struct {
		v  uint64
		ok bool
	}{
		"":                 {0, false},
		"\x00":             {0, true},
		"\x7f":             {127, true},
		"\x80\x01":         {128, true},
		"\x80":             {0, false},
		"\x80\x00":         {0, false}, // overlong
		"\xff\x80\x80\x00": {0, false}, // overlong
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": {math.MaxUint64, true},
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02": {0, false}, // 65 bits
		"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80": {0, false},
	} {
		v, rest, ok := takeUvarint([]byte(b))
		if v != want.v || ok != want.ok || len(rest) > 0 {
			t.Errorf("%x: got %d, %v, %d left", b, v, ok, len(rest))
		}
		if ok && uvarintLen(v) != len(b) {
			t.Errorf("%x: length %d", b, uvarintLen(v))
		}
	}
}
