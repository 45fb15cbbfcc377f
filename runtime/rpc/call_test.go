package rpc_test

import (
	"testing"
	"unsafe"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// A Call is allocated for each call; eight bytes more, and each would take 416.
func TestCallFitsItsSizeClass(t *testing.T) {
	if size := unsafe.Sizeof(rpc.Call{}); size > 384 {
		t.Errorf("a Call has %d bytes, more than 384", size)
	}
}
