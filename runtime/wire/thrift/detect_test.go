package thrift

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

func TestDetect(t *testing.T) {
	long := strings.Repeat("61", 256)
	type test struct {
		name  string
		bytes string
		kind  Kind
		d     Dialect
		after int // how many of the bytes decide
	}
	tests := []test{
		{"native", "4b554146 01 00 0000", Native, Dialect{}, 4},
		{"GET", "47455420 2f", HTTP, Dialect{}, 4},
		{"HEAD", "48454144 20", HTTP, Dialect{}, 4},
		{"POST", "504f5354 20", HTTP, Dialect{}, 4},
		{"PUT", "50555420 2f", HTTP, Dialect{}, 4},
		{"DELETE", "44454c45 5445", HTTP, Dialect{}, 4},
		{"OPTIONS", "4f505449 4f4e53", HTTP, Dialect{}, 4},
		{"PATCH", "50415443 48", HTTP, Dialect{}, 4},
		{"TRACE", "54524143 45", HTTP, Dialect{}, 4},
		{"CONNECT", "434f4e4e 454354", HTTP, Dialect{}, 4},
		{"HTTP/2 preface", "50524920 2a20", HTTP2, Dialect{}, 4},
		{"TLS hello", "16030102 00010001", TLS, Dialect{}, 4},
		{"TLS alert", "15030300 020228", TLS, Dialect{}, 4},
		{"Hadoop", "68727063 09", Hadoop, Dialect{}, 4},
		{"DRPC", "44525043 21212131", DRPC, Dialect{}, 4},
		{"Kitex TTHeader", "00000040 1000 0000 00000001", Kitex, Dialect{}, 8},
		{"Kitex protobuf", "00000040 90010001", Kitex, Dialect{}, 8},

		{"unframed strict", "80010001 00000004 6563686f", Thrift, Dialect{Encoding: codec.Binary, Strict: true}, 4},
		{"unframed compact", "82210704 6563686f", Thrift, Dialect{Encoding: codec.Compact}, 4},
		{"THeader", "00000028 0fff0000 00000007", Thrift, Dialect{Framed: true, Header: true, Encoding: codec.Binary, Strict: true}, 8},
		{"framed strict", "0000001a 80010001", Thrift, Dialect{Framed: true, Encoding: codec.Binary, Strict: true}, 8},
		{"framed compact", "00000009 82810804", Thrift, Dialect{Framed: true, Encoding: codec.Compact}, 8},
		{"framed strict, smallest", "0000000d 80010001 00000000", Thrift, Dialect{Framed: true, Encoding: codec.Binary, Strict: true}, 8},
		{"framed compact, smallest", "00000005 82210000 00", Thrift, Dialect{Framed: true, Encoding: codec.Compact}, 8},
		{"framed non-strict", "00000017 00000004 6563686f 01 00000007", Thrift, Dialect{Framed: true, Encoding: codec.Binary}, 13},
		{"framed non-strict oneway", "0000000b 00000001 61 04 00000007", Thrift, Dialect{Framed: true, Encoding: codec.Binary}, 10},
		{"framed non-strict, long name", "0000010a 00000100" + long + "01", Thrift, Dialect{Framed: true, Encoding: codec.Binary}, 64},
		{"unframed non-strict", "00000004 6563686f 01 00000007", Thrift, Dialect{Encoding: codec.Binary}, 9},
		{"unframed non-strict, name of one byte", "00000001 61 01 00000000 00", Thrift, Dialect{Encoding: codec.Binary}, 8},
		{"unframed non-strict, multiplexed", "00000009 4563686f3a6563686f 01", Thrift, Dialect{Encoding: codec.Binary}, 14},
		{"unframed non-strict, long name", "00000100" + long + "01", Thrift, Dialect{Encoding: codec.Binary}, 64},

		{"zeros", "00000000 00000000", Unknown, Dialect{}, 4},
		{"ones", "ffffffff ffffffff", Unknown, Dialect{}, 4},
		{"text", "53534820 2d322e30", Unknown, Dialect{}, 4},
		{"first length just over every limit", "40000000 80010001", Unknown, Dialect{}, 4},
		{"version 2", "80020001 00000004", Unknown, Dialect{}, 4},
		{"compact version 2", "82220704 6563686f", Unknown, Dialect{}, 4},
		{"JSON", "5b312c22 65", Unknown, Dialect{}, 4},
		{"name that is not text", "00000004 6563ff6f 01", Unknown, Dialect{}, 8},
		{"name that is not text, later", "00000006 656368 6f 20 6f 01", Unknown, Dialect{}, 9},
		{"unframed name of 257 bytes", "00000101 61616161", Unknown, Dialect{}, 8},
		{"framed name of 257 bytes", "00001000 00000101 61616161", Unknown, Dialect{}, 8},
		{"framed name that does not fit", "0000000d 00000004 6563686f 01", Unknown, Dialect{}, 8},
		{"framed without a name", "0000000d 00000000 01", Unknown, Dialect{}, 8},
		{"reply", "00000004 6563686f 02", Unknown, Dialect{}, 9},
		{"framed reply", "00000017 00000004 6563686f 02", Unknown, Dialect{}, 13},
		{"THeader in a frame that is too small", "0000000e 0fff0000", Unknown, Dialect{}, 8},
		{"strict in a frame that is too small", "0000000c 80010001", Unknown, Dialect{}, 8},
		{"compact in a frame that is too small", "00000004 82210000", Unknown, Dialect{}, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.bytes)
			for n := range len(b) + 1 {
				d, need, err := Detect(b[:n])
				if n < tt.after {
					if d.Kind != Undecided || err != nil || need <= n || need > MaxDetect {
						t.Fatalf("after %d bytes: %v, need %d, %v", n, d.Kind, need, err)
					}
					continue
				}
				if d.Kind != tt.kind || need != 0 || (err != nil) != (tt.kind == Unknown) {
					t.Fatalf("after %d bytes: %v, need %d, %v; want %v", n, d.Kind, need, err, tt.kind)
				}
				if got, want := d.Dialect, tt.d; got.String() != want.String() || got.Framed != want.Framed || got.MaxFrame != 0 || got.MaxMessage != 0 {
					t.Fatalf("after %d bytes: %+v, want %+v", n, got, want)
				}
				if err != nil && !strings.HasPrefix(err.Error(), "thrift: no known protocol opens with ") {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestRejection(t *testing.T) {
	http := string(HTTP.Rejection(""))
	head, body, _ := strings.Cut(http, "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 400 ") || !strings.Contains(head, "\r\nConnection: close") || !strings.Contains(head, "\r\nContent-Length: 76") ||
		body != "This is a Kuafu RPC port (native or Apache Thrift); it does not speak HTTP.\n" {
		t.Errorf("HTTP gets\n%s", http)
	}
	if got := string(HTTP.Rejection("This is the ledger's port")); !strings.HasSuffix(got, "\r\n\r\nThis is the ledger's port; it does not speak HTTP.\n") {
		t.Errorf("HTTP gets\n%s", got)
	}
	// SETTINGS without entries, GOAWAY with stream 0, PROTOCOL_ERROR and a text of 31 bytes.
	if got, want := HTTP2.Rejection("Port"), append(unhex(t, "000000 04 00 00000000 | 000027 07 00 00000000 | 00000000 00000001"), "Port; it does not speak HTTP/2."...); !bytes.Equal(got, want) {
		t.Errorf("HTTP/2 gets\n%x, want\n%x", got, want)
	}
	if got, want := TLS.Rejection(""), unhex(t, "15 0303 0002 02 28"); !bytes.Equal(got, want) {
		t.Errorf("TLS gets %x, want %x", got, want)
	}
	for k := Undecided; k <= Unknown; k++ {
		if answered := k == HTTP || k == HTTP2 || k == TLS; (k.Rejection("") != nil) != answered {
			t.Errorf("%v gets %q", k, k.Rejection(""))
		}
		if spoken := k == Native || k == Thrift; (k.Reason() == "") != spoken {
			t.Errorf("the reason to close %v is %q", k, k.Reason())
		}
	}
}

func FuzzDetect(f *testing.F) {
	for _, tt := range dialects {
		f.Add(unhex(f, tt.call))
	}
	for _, s := range []string{"KUAF\x01", "GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "\x16\x03\x01\x02", "hrpc\x09", "DRPC!!!1", "", "\x00\x00\x01\x00" + strings.Repeat("a", 300)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var last Detected
		var lastErr error
		for n := range len(b) + 1 {
			d, need, err := Detect(b[:n])
			if (err != nil) != (d.Kind == Unknown) || (need > 0) != (d.Kind == Undecided) || need > MaxDetect || need > 0 && need <= n {
				t.Fatalf("after %d bytes: %v, need %d, %v", n, d.Kind, need, err)
			}
			if last.Kind != Undecided && (d.Kind != last.Kind || d.Dialect.String() != last.Dialect.String() || (err == nil) != (lastErr == nil)) {
				t.Fatalf("after %d bytes it is %v %s, before it was %v %s", n, d.Kind, d.Dialect.String(), last.Kind, last.Dialect.String())
			}
			last, lastErr = d, err
		}
		if len(b) >= MaxDetect && last.Kind == Undecided {
			t.Fatal("undecided")
		}
	})
}
