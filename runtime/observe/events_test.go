package observe_test

import (
	"fmt"
	"io"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

var echo = &rpc.Method{Service: "Echo", Name: "echo", FullName: "Echo.echo"}

// recorder returns Events that note in log which of their functions was called.
func recorder(name string, log *[]string) observe.Events {
	note := func(what string) { *log = append(*log, name+" "+what) }
	return observe.Events{
		ConnOpened:      func(observe.ConnOpened) { note("opened") },
		ConnClosed:      func(observe.ConnClosed) { note("closed") },
		ConnRefused:     func(observe.ConnRefused) { note("refused") },
		HandshakeFailed: func(observe.HandshakeFailed) { note("handshake") },
		CallDone:        func(c observe.CallDone) { note("done " + c.MethodName()) },
		SlowCall:        func(observe.SlowCall) { note("slow") },
		ClientCallDone:  func(observe.ClientCallDone) { note("client") },
	}
}

// fire calls every function that e has, through reflection so that one added later is not forgotten.
func fire(e observe.Events) {
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsNil() {
			f.Call([]reflect.Value{reflect.Zero(f.Type().In(0))})
		}
	}
}

func TestTee(t *testing.T) {
	var log []string
	all := []string{"opened", "closed", "refused", "handshake", "done _OTHER", "slow", "client"}
	if n := reflect.TypeFor[observe.Events]().NumField(); n != len(all) {
		t.Fatalf("Events has %d functions, this test knows %d", n, len(all))
	}
	var want []string
	for _, what := range all {
		want = append(want, "a "+what, "b "+what)
	}
	fire(observe.Tee(recorder("a", &log), recorder("b", &log)))
	if diff := cmp.Diff(want, log); diff != "" {
		t.Errorf("both: -want +got\n%s", diff)
	}
	for name, e := range map[string]observe.Events{
		"left":  observe.Tee(recorder("x", &log), observe.Events{}),
		"right": observe.Tee(observe.Events{}, recorder("x", &log)),
	} {
		log = nil
		fire(e)
		if len(log) != len(all) {
			t.Errorf("%s: called %v", name, log)
		}
	}
	log = nil
	fire(observe.Tee(observe.Events{}, observe.Events{}))
	if log != nil {
		t.Errorf("nothing: called %v", log)
	}
}

func TestCodes(t *testing.T) {
	if name := observe.CodeName(0); name != "ok" {
		t.Errorf("no code is %q", name)
	}
	c := observe.CallDone{Method: echo, Err: rpc.NewError(rpc.NotFound, "gone"), Queue: 1, Processing: 10, Response: 100}
	if c.Code() != rpc.NotFound || observe.CodeName(c.Code()) != "not_found" || c.Took() != 111 || c.MethodName() != "Echo.echo" {
		t.Errorf("%v, %v, %v", c.Code(), c.Took(), c.MethodName())
	}
	k := observe.ClientCallDone{Err: fmt.Errorf("wrapped: %w", io.EOF)}
	if k.Code() != rpc.Unknown || new(observe.ClientCallDone).Code() != 0 {
		t.Errorf("a foreign error has code %v", k.Code())
	}
}

func TestByMethod(t *testing.T) {
	var mu sync.Mutex
	made := map[string]int{}
	b := observe.NewByMethod(func(name string) *string {
		mu.Lock()
		defer mu.Unlock()
		made[name]++
		return &name
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2000 { // more than there is room for
				m := &rpc.Method{FullName: fmt.Sprintf("S.m%d", i)}
				if got := *b.Of(m); got != m.FullName && got != observe.Other {
					t.Errorf("%s got the value of %s", m.FullName, got)
				}
			}
		})
	}
	wg.Wait()
	if len(made) != 1025 {
		t.Errorf("%d values were made, want 1024 and one for the rest", len(made))
	}
	for name, n := range made {
		if n != 1 {
			t.Errorf("%s was made %d times", name, n)
		}
	}
	for _, m := range []*rpc.Method{nil, {}, {FullName: observe.Other}, {FullName: "S.new"}} {
		if got := *b.Of(m); got != observe.Other {
			t.Errorf("%v got the value of %s", m, got)
		}
	}
	if got := *b.Of(&rpc.Method{FullName: "S.m0"}); got != "S.m0" {
		t.Errorf("an early method got the value of %s", got)
	}
}

// What a stage does when nobody listens.
func BenchmarkUnused(b *testing.B) {
	events := new(observe.Events)
	b.ReportAllocs()
	for b.Loop() {
		if events.CallDone != nil {
			events.CallDone(observe.CallDone{Method: echo, Done: time.Now()})
		}
	}
}

// The cost of an event on its way to two listeners.
func BenchmarkTee(b *testing.B) {
	var n int
	count := observe.Events{CallDone: func(c observe.CallDone) { n += c.ReplyBytes }}
	events := observe.Tee(count, count)
	b.ReportAllocs()
	for b.Loop() {
		events.CallDone(observe.CallDone{Method: echo, ReplyBytes: 1})
	}
}

func TestNoAllocations(t *testing.T) {
	var events observe.Events
	var n int
	count := observe.Events{CallDone: func(c observe.CallDone) { n += c.ReplyBytes }, SlowCall: func(observe.SlowCall) { n++ }}
	busy := observe.WatchSlow(observe.Tee(count, count), observe.SlowOptions{})
	for name, f := range map[string]func(){
		"unused": func() {
			if events.CallDone != nil {
				events.CallDone(observe.CallDone{Method: echo})
			}
		},
		"used": func() { busy.CallDone(observe.CallDone{Method: echo, Processing: time.Second, ReplyBytes: 1}) },
	} {
		f()
		if allocs := testing.AllocsPerRun(3000, f); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
