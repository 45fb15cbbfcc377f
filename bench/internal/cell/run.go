package cell

import (
	"context"
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// Run measures one cell. If profiles is not empty, it is a directory that gets a processor profile of either process.
// A call that fails fails the cell.
func Run(ctx context.Context, s Spec, t Timing, profiles string) (Result, error) {
	r, _, err := runCalls(ctx, s, t, profiles)
	return r, err
}

// runCalls returns the client's window too.
func runCalls(ctx context.Context, s Spec, t Timing, profiles string) (Result, window, error) {
	p, err := peer.Find(s.Peer)
	if err != nil {
		return Result{}, window{}, err
	}
	if !p.Shares {
		s.Conns = s.Callers
	}
	pair, err := spawnPair(ctx, s, profiles, fmt.Sprintf("%s-%s-%dx%d", s.Peer, s.Payload, s.Callers, s.Conns))
	if err != nil {
		return Result{}, window{}, err
	}
	defer pair.close()
	if err := pause(ctx, t.Warmup); err != nil {
		return Result{}, window{}, err
	}
	if _, err := pair.client.ask(request{Do: warm}); err != nil {
		return Result{}, window{}, err
	}
	client, server, noise, err := pair.window(func() error { return pause(ctx, t.Measure) })
	if err != nil {
		return Result{}, window{}, err
	}
	return newResult(p, s, client, server, noise), client, nil
}

func newResult(p peer.Peer, s Spec, client, server window, noise Noise) Result {
	seconds, calls := client.Elapsed.Seconds(), float64(client.Calls)
	return Result{
		View: "calls",
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
		Noise:        noise,
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
