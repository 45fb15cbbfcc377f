package rpctest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
)

// TestRegularOutlastsAnOutage is the example of docs/testing.md for virtual time.
func TestRegularOutlastsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := rpctest.NewServer(rpctest.Options{}, greeter.NewGreeterService(mock{counts: map[string]int64{"Ann": 4}}))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var link rpctest.Link
		c, err := client.Dial(t.Context(), "tcp://any:1", client.WithDialer(link.Dialer(s.Dial)))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()

		link.Partition(true)
		time.AfterFunc(20*time.Second, func() { link.Partition(false) })
		began := time.Now()
		known := regular(t.Context(), greeter.NewGreeterClient(c), "Ann")
		if took := time.Since(began); !known || took < 20*time.Second || took > 30*time.Second {
			t.Errorf("%v after %v", known, took)
		}
	})
}
