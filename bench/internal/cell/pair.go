package cell

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/kuafu-rpc/kuafu/bench/internal/stats"
)

// pair is a server and its client.
type pair struct {
	server, client *process
}

// spawnPair starts both. If profiles is not empty, it is a directory that gets a processor profile of either, of the
// last measured window, in files whose names begin with name.
func spawnPair(ctx context.Context, s Spec, profiles, name string) (*pair, error) {
	profile := func(side string) string {
		if profiles == "" {
			return ""
		}
		return filepath.Join(profiles, fmt.Sprintf("%s-pass%d.%s.pprof", name, s.Pass, side))
	}
	server, ready, err := spawn(ctx, ServerArg, role{Spec: s, Profile: profile("server")})
	if err != nil {
		return nil, err
	}
	client, _, err := spawn(ctx, ClientArg, role{Spec: s, Addr: ready.Addr, Profile: profile("client")})
	if err != nil {
		server.close()
		return nil, err
	}
	return &pair{server, client}, nil
}

func (p *pair) close() {
	p.client.close()
	p.server.close()
}

// window measures both while work runs. The server's window lies around the client's; asking takes about a millisecond.
func (p *pair) window(work func() error) (client, server window, noise Noise, err error) {
	machine := stats.Now()
	for _, c := range []*process{p.server, p.client} {
		if _, err := c.ask(request{Do: begin}); err != nil {
			return client, server, noise, err
		}
	}
	if err := work(); err != nil {
		return client, server, noise, err
	}
	// While the client's callers end, the server's window must not stay open.
	if err := p.client.requests.Encode(request{Do: end}); err != nil {
		return client, server, noise, err
	}
	served, err1 := p.server.ask(request{Do: end})
	whole := stats.Now().Sub(machine)
	called, err2 := p.client.read()
	if err := errors.Join(err1, err2); err != nil {
		return client, server, noise, err
	}
	client, server = called.Window, served.Window
	seconds := client.Elapsed.Seconds()
	noise.Other = (whole.Busy - client.Used.CPU - server.Used.CPU) / seconds
	noise.Steal = whole.Steal / seconds
	return client, server, noise, nil
}
