package client

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Resolver finds the addresses of a service's servers, in the form that Dial takes for a single one. A client that has
// got a list keeps it until it gets another: errors, and lists that are empty or have a bad address, change nothing.
type Resolver interface {
	// Resolve returns the addresses, in order of preference.
	Resolve(ctx context.Context) ([]string, error)

	// Watch calls update with every new list until ctx is done, one call at a time; a list that has not changed does no
	// harm. The client calls Watch after Resolve, and after a pause both again if it returns an error; a Watch that cannot
	// know what Resolve has returned begins with the present list. If it returns nil there will be no changes. The lists
	// belong to the client.
	Watch(ctx context.Context, update func(addresses []string)) error
}

// Static returns a Resolver for servers that do not change.
func Static(addresses ...string) Resolver { return static(slices.Clone(addresses)) }

type static []string

func (s static) Resolve(context.Context) ([]string, error)             { return slices.Clone(s), nil }
func (s static) Watch(context.Context, func(addresses []string)) error { return nil }

// DNS finds servers by the IP addresses of a host. A client needs it where these are servers of their own, to be balanced
// over or failed over to: Dial with a host name takes any one of its addresses.
//
// With tls:// the host's name does not reach the handshake: unless ServerName of the configuration given to WithTLS says
// which name a certificate has to be for, it has to be for the IP address.
type DNS struct {
	Address  string        // tcp://host:port or tls://host:port
	Interval time.Duration // between look-ups; 0 stands for 30 s

	// LookupHost returns the addresses of a host; nil stands for net.DefaultResolver.LookupHost.
	LookupHost func(ctx context.Context, host string) ([]string, error)
}

const defaultLookups = 30 * time.Second

// Resolve implements Resolver. The addresses come sorted, so that all clients prefer the same one.
func (d DNS) Resolve(ctx context.Context) ([]string, error) {
	network, target, err := rpc.ParseAddress(d.Address)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		return nil, fmt.Errorf("client: DNS for %q: want tcp://host:port or tls://host:port", d.Address)
	}
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	look := d.LookupHost
	if look == nil {
		look = net.DefaultResolver.LookupHost
	}
	hosts, err := look(ctx, host)
	if err != nil {
		return nil, err
	}
	addresses := make([]string, 0, len(hosts))
	for _, h := range hosts {
		addresses = append(addresses, network+"://"+net.JoinHostPort(h, port))
	}
	slices.Sort(addresses)
	return slices.Compact(addresses), nil
}

// Watch implements Resolver. It looks up again and again; a look-up that fails is an error.
func (d DNS) Watch(ctx context.Context, update func(addresses []string)) error {
	interval := d.Interval
	if interval <= 0 {
		interval = defaultLookups
	}
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		list, err := d.Resolve(ctx)
		if err != nil {
			return err
		}
		update(list)
	}
}

// splitAddresses takes a list of addresses apart. A comma separates only where another address follows: it may be part
// of a file's name.
func splitAddresses(s string) (list []string) {
	begin := 0
	for i := range len(s) {
		if s[i] != ',' {
			continue
		}
		rest := strings.TrimLeft(s[i+1:], " ")
		scheme, _, ok := strings.Cut(rest, "://")
		if ok && scheme != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz") == "" {
			list = append(list, s[begin:i])
			begin = len(s) - len(rest)
		}
	}
	return append(list, s[begin:])
}
