package cell

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// Stuck is what streams that nobody reads do to the rest of their connection.
type Stuck struct {
	View    string    `json:"view"` // "stuck"
	Peer    string    `json:"peer"`
	Title   string    `json:"title"`
	Kind    peer.Kind `json:"kind"`
	Pass    int       `json:"pass"`
	Streams int       `json:"streams"`

	IdleCall Latency `json:"idle_call"` // calls of 1 KiB, without stuck streams
	IdleChat Latency `json:"idle_chat"` // messages of 1 KiB there and back on a healthy stream, likewise
	Call     Latency `json:"call"`      // the same beside them
	Chat     Latency `json:"chat"`

	ClientMemory float64 `json:"client_bytes"` // for each stuck stream, as it stands
	ServerMemory float64 `json:"server_bytes"`
}

// RunStuck opens n streams on which the server sends stuckBytes in messages of size bytes, receives none of them, and
// measures a caller and a healthy stream of the same connection before and after, for the time of t.
func RunStuck(ctx context.Context, name string, n, size, pass int, t Timing) (Stuck, error) {
	p, err := peer.Find(name)
	if err != nil {
		return Stuck{}, err
	}
	pair, err := spawnPair(ctx, Spec{Peer: name, Payload: "1k", Pass: pass}, "", "")
	if err != nil {
		return Stuck{}, err
	}
	defer pair.close()
	s := Stuck{View: "stuck", Peer: p.Name, Title: p.Title, Kind: p.Kind, Pass: pass, Streams: n}
	measure := func(call, chat *Latency) (err error) {
		if *call, _, err = pair.side(ctx, side{Size: size}, t); err != nil {
			return fmt.Errorf("calls: %w", err)
		}
		if *chat, _, err = pair.side(ctx, side{Chat: true, Size: size}, t); err != nil {
			return fmt.Errorf("chat: %w", err)
		}
		return nil
	}
	if err := measure(&s.IdleCall, &s.IdleChat); err != nil {
		return Stuck{}, err
	}
	clientBefore, err1 := resident(ctx, pair.client, true)
	serverBefore, err2 := resident(ctx, pair.server, true)
	if err := errors.Join(err1, err2); err != nil {
		return Stuck{}, err
	}
	if _, err := pair.client.ask(request{Do: stick, N: n, Side: side{Size: size}}); err != nil {
		return Stuck{}, err
	}
	if err := pair.quiet(ctx); err != nil {
		return Stuck{}, err
	}
	clientAfter, err1 := resident(ctx, pair.client, false)
	serverAfter, err2 := resident(ctx, pair.server, false)
	if err := errors.Join(err1, err2); err != nil {
		return Stuck{}, err
	}
	s.ClientMemory = float64(clientAfter-clientBefore) / float64(n)
	s.ServerMemory = float64(serverAfter-serverBefore) / float64(n)
	if err := measure(&s.Call, &s.Chat); err != nil {
		return Stuck{}, fmt.Errorf("beside %d streams: %w", n, err)
	}
	return s, nil
}

// quiet waits until two processes have had nothing to do for a while, for 15 s at most.
func (p *pair) quiet(ctx context.Context) error {
	const poll, wanted = 250 * time.Millisecond, 4
	last, calm := 0.0, -1
	for range 15 * time.Second / poll {
		now := 0.0
		for _, c := range []*process{p.server, p.client} {
			a, err := c.ask(request{Do: memory})
			if err != nil {
				return err
			}
			now += a.CPU
		}
		if calm++; now-last > 0.05*poll.Seconds() {
			calm = 0
		}
		if last = now; calm == wanted {
			return nil
		}
		if err := pause(ctx, poll); err != nil {
			return err
		}
	}
	return nil
}
