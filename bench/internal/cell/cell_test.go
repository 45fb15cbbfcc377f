package cell

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// TestMain makes this test program its own child processes.
func TestMain(m *testing.M) {
	if is, err := Child(os.Args[1:]); is {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// patiently measures, and gives a machine that is too busy for a single call a longer window.
func patiently[R any](timing Timing, measure func(Timing) (R, error)) (R, error) {
	for {
		r, err := measure(timing)
		if err == nil || !strings.Contains(err.Error(), "no call ended") || timing.Measure > 5*time.Second {
			return r, err
		}
		timing.Measure *= 10
	}
}

// TestEveryPeer runs every peer with every kind of payload once, in real processes.
func TestEveryPeer(t *testing.T) {
	for _, p := range peer.All() {
		if p.Dial == nil {
			continue
		}
		for _, size := range []string{"64B", "64k"} {
			t.Run(p.Name+"/"+size, func(t *testing.T) {
				timing := Timing{Warmup: 20 * time.Millisecond, Measure: 50 * time.Millisecond}
				spec := Spec{Peer: p.Name, Payload: size, Callers: 5, Conns: 2}
				r, err := patiently(timing, func(timing Timing) (Result, error) { return Run(t.Context(), spec, timing, "") })
				if err != nil {
					t.Fatal(err)
				}
				if r.Calls == 0 || r.Rate <= 0 || r.P50 <= 0 || r.P50 > r.P99 || r.P99 > r.P999 || r.CPU() <= 0 {
					t.Errorf("the result makes no sense: %+v", r)
				}
				if want := 2; p.Shares && r.Conns != want {
					t.Errorf("%d connections, want %d", r.Conns, want)
				}
				if want := 5; !p.Shares && r.Conns != want {
					t.Errorf("%d connections, want %d", r.Conns, want)
				}
			})
		}
	}
}

// TestEveryStream carries a stream each way for every peer that has streams, in real processes.
func TestEveryStream(t *testing.T) {
	for _, p := range peer.All() {
		if p.Connect == nil {
			continue
		}
		for _, d := range Directions() {
			if d == Upload && p.Kind != peer.Ours { // it differs from Up in the client's process only
				continue
			}
			t.Run(p.Name+"/"+string(d), func(t *testing.T) {
				r, err := RunTransfer(t.Context(), p.Name, d, 64<<10, 0, time.Millisecond, "")
				if err != nil {
					t.Fatal(err)
				}
				if r.Bytes < minTransfer || r.Rate <= 0 || r.CPU() <= 0 {
					t.Errorf("the result makes no sense: %+v", r)
				}
			})
		}
	}
}

// TestBeside checks that calls go on beside streams, and that the streams carry something.
func TestBeside(t *testing.T) {
	timing := Timing{Measure: 100 * time.Millisecond}
	for _, name := range []string{"kuafu", "grpc-pool"} {
		b, err := patiently(timing, func(timing Timing) (Beside, error) { return RunBeside(t.Context(), name, 64<<10, 0, timing) })
		if err != nil {
			t.Fatal(name, err)
		}
		if b.Idle.Calls == 0 || b.Down.Calls == 0 || b.Up.Calls == 0 || b.DownRate <= 0 || b.UpRate <= 0 {
			t.Errorf("the result makes no sense: %+v", b)
		}
	}
	if _, err := RunBeside(t.Context(), "tcp", 64<<10, 0, timing); err == nil {
		t.Error("tcp has calls beside streams")
	}
}

// TestStuck checks that streams nobody reads take memory, and that calls and another stream go on.
func TestStuck(t *testing.T) {
	timing := Timing{Measure: 100 * time.Millisecond}
	for _, name := range []string{"kuafu", "grpc-pool"} {
		s, err := patiently(timing, func(timing Timing) (Stuck, error) { return RunStuck(t.Context(), name, 100, 64<<10, 0, timing) })
		if err != nil {
			t.Fatal(name, err)
		}
		if s.Call.Calls == 0 || s.Chat.Calls == 0 || s.IdleCall.Calls == 0 || s.IdleChat.Calls == 0 {
			t.Errorf("the result makes no sense: %+v", s)
		}
		// At least the least window that a stream has.
		if _, err := os.Stat("/proc/self/statm"); err == nil && s.ClientMemory < 32<<10 {
			t.Errorf("%s: a stream that nobody reads costs the client %.0f bytes", name, s.ClientMemory)
		}
	}
}

// TestBulkEndsEarly checks that a bulk stream which is over before its window is an error, not a result.
func TestBulkEndsEarly(t *testing.T) {
	fails := &peer.Conn{Down: func(context.Context, int, int, *atomic.Int64) error { return errors.New("lost") }}
	b, err := startBulk(fails, side{Bulk: Down, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.ended <- <-b.ended // wait for the end, and put it back
	if err := b.stop(); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("a stream that was lost stops with %v", err)
	}
}

// TestScale measures the ends of every axis.
func TestScale(t *testing.T) {
	timing := Timing{Measure: 300 * time.Millisecond} // a call of 16 MiB takes a while
	for _, tt := range []struct {
		axis Axis
		at   int
	}{{Callers, 300}, {Connections, 300}, {Payload, 16 << 20}, {Methods, 1000}} {
		for _, name := range []string{"kuafu", "grpc-pool"} {
			measure := func(timing Timing) (Scale, error) { return RunScale(t.Context(), name, tt.axis, tt.at, 0, timing) }
			if s, err := patiently(timing, measure); err != nil || s.Calls == 0 || s.CPU() <= 0 {
				t.Errorf("%s, %d %s: %+v, %v", name, tt.at, tt.axis, s, err)
			}
		}
	}
	if _, err := RunScale(t.Context(), "kuafu", "length", 1, 0, timing); err == nil {
		t.Error("there is an axis of lengths")
	}
}

func TestOpen(t *testing.T) {
	s := Spec{Peer: "kuafu", Payload: "1k", Callers: 20, Conns: 1, Rate: 1000}
	o, err := RunOpen(t.Context(), s, Timing{Warmup: 50 * time.Millisecond, Measure: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	// The number of arrivals in a window has a standard deviation of its square root; this is nine of them.
	if want := o.Seconds * o.Offered; math.Abs(float64(o.Calls)-want) > 9*math.Sqrt(want) {
		t.Errorf("%d calls in %.2f s at %v per second", o.Calls, o.Seconds, o.Offered)
	}
	if o.P50 <= 0 || o.P50 > o.P99 || o.Capacity != 0 || o.View != "open" {
		t.Errorf("the result makes no sense: %+v", o)
	}
}

// TestNoSuchStream asks for what there is not.
func TestNoSuchStream(t *testing.T) {
	for _, name := range []string{"kuafu", "tcp"} {
		if _, err := RunTransfer(t.Context(), name, "sideways", 64<<10, 0, time.Millisecond, ""); err == nil {
			t.Errorf("%s carries sideways", name)
		}
	}
	if _, err := RunTransfer(t.Context(), "netrpc", Down, 64<<10, 0, time.Millisecond, ""); err == nil {
		t.Error("net/rpc has streams")
	}
}

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	timing := Timing{Measure: 50 * time.Millisecond}
	measure := func(timing Timing) (Result, error) {
		return Run(t.Context(), Spec{Peer: "gnet", Payload: "1k", Callers: 1}, timing, dir)
	}
	if _, err := patiently(timing, measure); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[0].Name() != "gnet-1k-1x1-pass0.client.pprof" {
		t.Errorf("profiles: %v", files)
	}
}

func TestIdle(t *testing.T) {
	r, err := RunIdle(t.Context(), "net", 1000)
	if err != nil {
		t.Fatal(err)
	}
	// A connection of this server has a goroutine and a buffer of 8 KiB.
	if _, err := os.Stat("/proc/self/statm"); err == nil && (r.Grown < 4<<10 || r.Grown > 64<<10) {
		t.Errorf("a connection costs %.0f bytes", r.Grown)
	}
}

// TestErrors checks that what goes wrong in a child comes back as an error, and does not hang.
func TestErrors(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, tt := range []struct {
		arg  string
		role role
		want string
	}{
		{ServerArg, role{Spec: Spec{Peer: "nobody", Payload: "1k"}}, `no framework "nobody"`},
		{ServerArg, role{Spec: Spec{Peer: "net", Payload: "1 MB"}}, `no payload "1 MB"`},
		{ClientArg, role{Spec: Spec{Peer: "net", Payload: "1k", Callers: 1}, Addr: "127.0.0.1:0"}, "connect"},
		{"-test.run=^$", role{}, "has ended"},
	} {
		p, _, err := spawn(ctx, tt.arg, tt.role)
		if err == nil {
			p.close()
			t.Errorf("%s %+v: no error", tt.arg, tt.role)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: %q, want something with %q", tt.arg, tt.role, err, tt.want)
		}
	}
}
