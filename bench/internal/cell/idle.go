package cell

import (
	"context"
	"errors"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// Idle is the memory that idle connections cost a server, in bytes.
type Idle struct {
	View  string    `json:"view"` // "idle"
	Peer  string    `json:"peer"`
	Title string    `json:"title"`
	Kind  peer.Kind `json:"kind"`
	Conns int       `json:"idle_conns"`
	Base  int64     `json:"base_bytes"`      // resident before the connections came
	Grown float64   `json:"grown_bytes"`     // per connection, as it stands
	Freed float64   `json:"collected_bytes"` // per connection, after collecting garbage and returning it
}

// settle is how long a server gets to end what the last calls started.
const settle = time.Second

// RunIdle measures the resident memory of a server before and after n connections that have carried one call of 1 KiB
// each. What the kernel keeps for a socket is not in it.
func RunIdle(ctx context.Context, name string, n int) (Idle, error) {
	p, err := peer.Find(name)
	if err != nil {
		return Idle{}, err
	}
	s := Spec{Peer: name, Payload: "1k", Conns: 1}
	pair, err := spawnPair(ctx, s, "", "")
	if err != nil {
		return Idle{}, err
	}
	defer pair.close()
	server, client := pair.server, pair.client

	// A few connections first, which bring what a server allocates once.
	if _, err := client.ask(request{Do: hold, N: 16}); err != nil {
		return Idle{}, err
	}
	before, err := resident(ctx, server, true)
	if err != nil {
		return Idle{}, err
	}
	if _, err := client.ask(request{Do: hold, N: n}); err != nil {
		return Idle{}, err
	}
	grown, err1 := resident(ctx, server, false)
	_, err2 := resident(ctx, server, true) // finalizers and pools need a second collection
	freed, err3 := resident(ctx, server, true)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Idle{}, err
	}
	return Idle{
		View: "idle", Peer: p.Name, Title: p.Title, Kind: p.Kind, Conns: n, Base: before,
		Grown: float64(grown-before) / float64(n),
		Freed: float64(freed-before) / float64(n),
	}, nil
}

func resident(ctx context.Context, server *process, free bool) (int64, error) {
	if err := pause(ctx, settle); err != nil {
		return 0, err
	}
	a, err := server.ask(request{Do: memory, Free: free})
	return a.Resident, err
}
