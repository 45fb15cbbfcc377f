package thrift

import (
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// BenchmarkServe is what a server spends on a small call besides decoding arguments and running the method.
func BenchmarkServe(b *testing.B) {
	for _, tt := range dialects {
		b.Run(tt.name, func(b *testing.B) {
			call, d := unhex(b, tt.call), tt.dialect
			s, h, result := NewSplitter(&d), &rpc.Handler{Method: echo}, &text{0, "ho"}
			buf := make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				_, msg, err := s.Next(call)
				if err != nil {
					b.Fatal(err)
				}
				c := rpc.Call{Handler: h}
				if err := d.ReadCall(msg, &c); err != nil {
					b.Fatal(err)
				}
				if err := d.Open(&c); err != nil {
					b.Fatal(err)
				}
				buf = d.AppendReply(buf[:0], &c, rpc.Reply{Result: result})
			}
		})
	}
}
