package cell

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
	"github.com/kuafu-rpc/kuafu/bench/internal/stats"
)

// Run measures one cell. If profiles is not empty, it is a directory that gets a processor profile of either process.
// A call that fails fails the cell.
func Run(ctx context.Context, s Spec, t Timing, profiles string) (Result, error) {
	p, err := peer.Find(s.Peer)
	if err != nil {
		return Result{}, err
	}
	if !p.Shares {
		s.Conns = s.Callers
	}
	profile := func(side string) string {
		if profiles == "" {
			return ""
		}
		name := fmt.Sprintf("%s-%s-%dx%d-pass%d.%s.pprof", s.Peer, s.Payload, s.Callers, s.Conns, s.Pass, side)
		return filepath.Join(profiles, name)
	}
	server, ready, err := spawn(ctx, ServerArg, role{Spec: s, Profile: profile("server")})
	if err != nil {
		return Result{}, err
	}
	defer server.close()
	client, _, err := spawn(ctx, ClientArg, role{Spec: s, Addr: ready.Addr, Profile: profile("client")})
	if err != nil {
		return Result{}, err
	}
	defer client.close()

	if err := pause(ctx, t.Warmup); err != nil {
		return Result{}, err
	}
	if _, err := client.ask(request{Do: warm}); err != nil {
		return Result{}, err
	}
	// The server's window lies around the client's. Asking takes about a millisecond.
	machine := stats.Now()
	if _, err := server.ask(request{Do: begin}); err != nil {
		return Result{}, err
	}
	if _, err := client.ask(request{Do: begin}); err != nil {
		return Result{}, err
	}
	if err := pause(ctx, t.Measure); err != nil {
		return Result{}, err
	}
	// While the client's callers end, the server's window must not stay open.
	if err := client.requests.Encode(request{Do: end}); err != nil {
		return Result{}, err
	}
	served, err := server.ask(request{Do: end})
	if err != nil {
		return Result{}, err
	}
	whole := stats.Now().Sub(machine)
	called, err := client.read()
	if err != nil {
		return Result{}, err
	}
	return newResult(p, s, called.Window, served.Window, whole), nil
}

func newResult(p peer.Peer, s Spec, client, server window, machine stats.Machine) Result {
	seconds, calls := client.Elapsed.Seconds(), float64(client.Calls)
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return Result{
		Peer: p.Name, Title: p.Title, Kind: p.Kind, Base: p.Base,
		Payload: s.Payload, Callers: s.Callers, Conns: s.Conns, Pass: s.Pass,
		Seconds: seconds, Calls: client.Calls, Rate: calls / seconds,
		P50: micros(client.P50), P99: micros(client.P99), P999: micros(client.P999),
		ClientCPU:    client.Used.CPU / calls * 1e6,
		ServerCPU:    server.Used.CPU / calls * 1e6,
		ClientAllocs: float64(client.Used.Allocs) / calls,
		ServerAllocs: float64(server.Used.Allocs) / calls,
		ClientBytes:  float64(client.Used.Bytes) / calls,
		ServerBytes:  float64(server.Used.Bytes) / calls,
		Other:        (machine.Busy - client.Used.CPU - server.Used.CPU) / seconds,
		Steal:        machine.Steal / seconds,
	}
}

// pause waits, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
