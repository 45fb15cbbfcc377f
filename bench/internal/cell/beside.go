package cell

import (
	"context"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// Beside is how long small calls take on a connection that a bulk stream saturates.
type Beside struct {
	View  string    `json:"view"` // "beside"
	Peer  string    `json:"peer"`
	Title string    `json:"title"`
	Kind  peer.Kind `json:"kind"`
	Pass  int       `json:"pass"`

	Idle Latency `json:"idle"` // without a stream
	Down Latency `json:"down"` // with one from the server
	Up   Latency `json:"up"`   // with one from the client

	DownRate float64 `json:"down_mb_per_s"` // what the stream carried meanwhile, 10^6 bytes
	UpRate   float64 `json:"up_mb_per_s"`
}

// Latency is how long one caller waited for its replies, in microseconds.
type Latency struct {
	Calls uint64  `json:"calls"`
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
	P999  float64 `json:"p999_us"`
	Noise
}

// RunBeside measures one caller's calls of 1 KiB on a connection: alone, beside a stream down, and beside a stream up,
// each for the time of t. The stream's messages are of size bytes.
func RunBeside(ctx context.Context, name string, size, pass int, t Timing) (Beside, error) {
	p, err := peer.Find(name)
	if err != nil {
		return Beside{}, err
	}
	pair, err := spawnPair(ctx, Spec{Peer: name, Payload: "1k", Pass: pass}, "", "")
	if err != nil {
		return Beside{}, err
	}
	defer pair.close()
	b := Beside{View: "beside", Peer: p.Name, Title: p.Title, Kind: p.Kind, Pass: pass}
	for _, m := range []struct {
		bulk    Direction
		latency *Latency
		rate    *float64
	}{{"", &b.Idle, new(float64)}, {Down, &b.Down, &b.DownRate}, {Up, &b.Up, &b.UpRate}} {
		if *m.latency, *m.rate, err = pair.side(ctx, side{Bulk: m.bulk, Size: size}, t); err != nil {
			return Beside{}, err
		}
	}
	return b, nil
}

// side measures a caller, and returns the rate of the stream beside it in MB/s.
func (p *pair) side(ctx context.Context, s side, t Timing) (Latency, float64, error) {
	if _, err := p.client.ask(request{Do: run, Side: s}); err != nil {
		return Latency{}, 0, err
	}
	if err := pause(ctx, t.Warmup); err != nil {
		return Latency{}, 0, err
	}
	if _, err := p.client.ask(request{Do: warm}); err != nil {
		return Latency{}, 0, err
	}
	client, _, noise, err := p.window(func() error { return pause(ctx, t.Measure) })
	if err != nil {
		return Latency{}, 0, err
	}
	return newLatency(client, noise), float64(client.Carried) / 1e6 / client.Elapsed.Seconds(), nil
}

func newLatency(w window, n Noise) Latency {
	return Latency{Calls: w.Calls, P50: micros(w.P50), P99: micros(w.P99), P999: micros(w.P999), Noise: n}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
