package suite

import (
	"context"
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// Dialect is one way for our client to speak.
type Dialect struct {
	Name   string         // "native-binary", "framed-compact", "unframed-nonstrict-mux", ...
	Thrift *client.Thrift // nil: the native protocol
	native codec.Encoding // of the native protocol
}

// Dialects returns all of them, Thrift's with and without multiplexed names.
func Dialects() []Dialect {
	all := []Dialect{{Name: "native-binary", native: codec.Binary}, {Name: "native-compact", native: codec.Compact}}
	for _, service := range []string{"", "Compat"} {
		for _, t := range []client.Transport{client.Framed, client.Unframed, client.Header} {
			for _, d := range []Dialect{
				{Name: "binary", Thrift: &client.Thrift{Encoding: codec.Binary}},
				{Name: "nonstrict", Thrift: &client.Thrift{Encoding: codec.Binary, NonStrict: true}},
				{Name: "compact", Thrift: &client.Thrift{Encoding: codec.Compact}},
			} {
				if t == client.Header && d.Thrift.NonStrict {
					continue // nobody speaks that
				}
				d.Thrift.Transport = t
				d.Thrift.Service = service
				d.Thrift.Pipeline = pipelined
				d.Name = t.String() + "-" + d.Name
				if service != "" {
					d.Name += "-mux"
				}
				all = append(all, d)
			}
		}
	}
	return all
}

// Find returns the dialect of a name.
func Find(name string) (Dialect, error) {
	for _, d := range Dialects() {
		if d.Name == name {
			return d, nil
		}
	}
	return Dialect{}, fmt.Errorf("there is no dialect %q", name)
}

// Dial returns a client that speaks d with the server at address. It allows for as many calls under way as the suite makes.
func (d *Dialect) Dial(ctx context.Context, address string) (*client.Client, error) {
	if d.Thrift != nil {
		return client.Dial(ctx, address, client.WithThrift(*d.Thrift))
	}
	return client.Dial(ctx, address, client.WithEncoding(d.native))
}

// Run makes every kind of call to the server at address, checks the outcomes and returns how many calls that took. It
// needs a log name, the dialect's, of its own on the server. identities tells whether the server has Registry, for which
// version 0.17 and older ones of Apache's are too old.
func (d *Dialect) Run(ctx context.Context, address string, identities bool) (calls int, err error) {
	conn, err := d.Dial(ctx, address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	k := &checker{caller: &counter{caller: conn}, native: d.Thrift == nil, log: d.Name}
	k.identities = identities && (d.Thrift == nil || d.Thrift.Service == "")
	err = k.check(ctx)
	return int(k.caller.calls.Load()), err
}
