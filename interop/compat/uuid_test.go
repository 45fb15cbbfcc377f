package compat

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	ours "github.com/kuafu-rpc/kuafu/examples/thriftcompat/compat"
	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/suite"
)

// identity is identity.idl's struct as one would write it with Apache's library, whose compiler is too old for it here.
type identity struct {
	id      thrift.Tuuid
	parent  thrift.Tuuid
	aliases []thrift.Tuuid
	revoked []thrift.Tuuid
	names   map[thrift.Tuuid]string
}

// theirs returns the suite's identity.
func theirs() *identity {
	v := suite.Identity()
	x := &identity{id: v.ID, parent: *v.Parent, names: make(map[thrift.Tuuid]string)}
	for _, u := range v.Aliases {
		x.aliases = append(x.aliases, u)
	}
	for _, u := range v.Revoked {
		x.revoked = append(x.revoked, u)
	}
	for u, name := range v.Names {
		x.names[u] = name
	}
	return x
}

func (x *identity) Write(ctx context.Context, p thrift.TProtocol) error {
	var errs []error
	do := func(err error) { errs = append(errs, err) }
	do(p.WriteStructBegin(ctx, "Identity"))
	do(p.WriteFieldBegin(ctx, "id", thrift.UUID, 1))
	do(p.WriteUUID(ctx, x.id))
	do(p.WriteFieldEnd(ctx))
	do(p.WriteFieldBegin(ctx, "parent", thrift.UUID, 2))
	do(p.WriteUUID(ctx, x.parent))
	do(p.WriteFieldEnd(ctx))
	do(p.WriteFieldBegin(ctx, "aliases", thrift.LIST, 3))
	do(p.WriteListBegin(ctx, thrift.UUID, len(x.aliases)))
	for _, u := range x.aliases {
		do(p.WriteUUID(ctx, u))
	}
	do(p.WriteListEnd(ctx))
	do(p.WriteFieldEnd(ctx))
	do(p.WriteFieldBegin(ctx, "revoked", thrift.SET, 4))
	do(p.WriteSetBegin(ctx, thrift.UUID, len(x.revoked)))
	for _, u := range x.revoked {
		do(p.WriteUUID(ctx, u))
	}
	do(p.WriteSetEnd(ctx))
	do(p.WriteFieldEnd(ctx))
	do(p.WriteFieldBegin(ctx, "names", thrift.MAP, 5))
	do(p.WriteMapBegin(ctx, thrift.UUID, thrift.STRING, len(x.names)))
	for u, name := range x.names {
		do(p.WriteUUID(ctx, u))
		do(p.WriteString(ctx, name))
	}
	do(p.WriteMapEnd(ctx))
	do(p.WriteFieldEnd(ctx))
	do(p.WriteFieldStop(ctx))
	do(p.WriteStructEnd(ctx))
	return errors.Join(errs...)
}

func (x *identity) Read(ctx context.Context, p thrift.TProtocol) error {
	return readFields(ctx, p, func(id int16, typ thrift.TType) (err error) {
		want := map[int16]thrift.TType{1: thrift.UUID, 2: thrift.UUID, 3: thrift.LIST, 4: thrift.SET, 5: thrift.MAP}[id]
		if typ != want {
			return fmt.Errorf("field %d of type %v", id, typ)
		}
		switch id {
		case 1:
			x.id, err = p.ReadUUID(ctx)
		case 2:
			x.parent, err = p.ReadUUID(ctx)
		case 3:
			elem, n, err := p.ReadListBegin(ctx)
			if err != nil || elem != thrift.UUID {
				return fmt.Errorf("a list of %v: %v", elem, err)
			}
			x.aliases, err = readUUIDs(ctx, p, n)
			return errors.Join(err, p.ReadListEnd(ctx))
		case 4:
			elem, n, err := p.ReadSetBegin(ctx)
			if err != nil || elem != thrift.UUID {
				return fmt.Errorf("a set of %v: %v", elem, err)
			}
			x.revoked, err = readUUIDs(ctx, p, n)
			return errors.Join(err, p.ReadSetEnd(ctx))
		case 5:
			key, value, n, err := p.ReadMapBegin(ctx)
			if err != nil || key != thrift.UUID || value != thrift.STRING {
				return fmt.Errorf("a map of %v to %v: %v", key, value, err)
			}
			x.names = make(map[thrift.Tuuid]string)
			for range n {
				u, err1 := p.ReadUUID(ctx)
				name, err2 := p.ReadString(ctx)
				if err := errors.Join(err1, err2); err != nil {
					return err
				}
				x.names[u] = name
			}
			return p.ReadMapEnd(ctx)
		}
		return err
	})
}

func readUUIDs(ctx context.Context, p thrift.TProtocol, n int) (all []thrift.Tuuid, err error) {
	for range n {
		u, err := p.ReadUUID(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

// readFields reads a struct, calling f to read each field's value.
func readFields(ctx context.Context, p thrift.TProtocol, f func(id int16, typ thrift.TType) error) error {
	if _, err := p.ReadStructBegin(ctx); err != nil {
		return err
	}
	for {
		_, typ, id, err := p.ReadFieldBegin(ctx)
		if err != nil {
			return err
		}
		if typ == thrift.STOP {
			return p.ReadStructEnd(ctx)
		}
		if err := errors.Join(f(id, typ), p.ReadFieldEnd(ctx)); err != nil {
			return err
		}
	}
}

// only is a struct with one field, arguments or a result: a uuid, or an identity if that is not nil.
type only struct {
	field    int16
	uuid     thrift.Tuuid
	identity *identity
}

func (o *only) typ() thrift.TType {
	if o.identity != nil {
		return thrift.STRUCT
	}
	return thrift.UUID
}

func (o *only) Write(ctx context.Context, p thrift.TProtocol) error {
	err := errors.Join(p.WriteStructBegin(ctx, ""), p.WriteFieldBegin(ctx, "", o.typ(), o.field))
	if o.identity != nil {
		err = errors.Join(err, o.identity.Write(ctx, p))
	} else {
		err = errors.Join(err, p.WriteUUID(ctx, o.uuid))
	}
	return errors.Join(err, p.WriteFieldEnd(ctx), p.WriteFieldStop(ctx), p.WriteStructEnd(ctx))
}

func (o *only) Read(ctx context.Context, p thrift.TProtocol) error {
	return readFields(ctx, p, func(id int16, typ thrift.TType) (err error) {
		switch {
		case id != o.field || typ != o.typ():
			return fmt.Errorf("field %d of type %v", id, typ)
		case o.identity != nil:
			return o.identity.Read(ctx, p)
		}
		o.uuid, err = p.ReadUUID(ctx)
		return err
	})
}

func TestApacheClientUUID(t *testing.T) {
	address := serveOurs(t)
	for _, d := range dialects() {
		if d.service != "" {
			continue // the client is of another service
		}
		t.Run(d.name, func(t *testing.T) {
			p := dialApache(t, address, d)
			sent := theirs()
			got := only{identity: new(identity)}
			if _, err := p.client.Call(t.Context(), "echo_identity", &only{field: 1, identity: sent}, &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.identity, sent) {
				t.Errorf("sent %v, got %v", sent, got.identity)
			}
			got = only{}
			if _, err := p.client.Call(t.Context(), "echo_uuid", &only{field: 1, uuid: sent.id}, &got); err != nil {
				t.Fatal(err)
			}
			if got.uuid != sent.id {
				t.Errorf("sent %v, got %v", sent.id, got.uuid)
			}
		})
	}
}

// registry serves identity.idl. It has its own copy of the suite's identity, and refuses any other.
type registry struct{ thrift.TProcessor }

func (registry) Process(ctx context.Context, in, out thrift.TProtocol) (bool, thrift.TException) {
	name, _, seq, err := in.ReadMessageBegin(ctx)
	if err != nil {
		return false, thrift.WrapTException(err)
	}
	message := &only{field: 1}
	if name == "echo_identity" {
		message.identity = new(identity)
	}
	if err := errors.Join(message.Read(ctx, in), in.ReadMessageEnd(ctx)); err != nil {
		return false, thrift.WrapTException(err)
	}
	if message.identity != nil && !reflect.DeepEqual(message.identity, theirs()) {
		return false, thrift.WrapTException(fmt.Errorf("got %v", message.identity))
	}
	message.field = 0
	err = errors.Join(out.WriteMessageBegin(ctx, name, thrift.REPLY, seq), message.Write(ctx, out), out.WriteMessageEnd(ctx), out.Flush(ctx))
	return err == nil, thrift.WrapTException(err)
}

func TestApacheServerUUID(t *testing.T) {
	for _, d := range dialects() {
		if d.service != "" {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			address := serveApache(t, registry{}, d)
			found, err := suite.Find(d.ours)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			conn, err := found.Dial(ctx, address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			c := ours.NewRegistryClient(conn)
			sent := suite.Identity()
			if got, err := c.EchoIdentity(ctx, sent); err != nil || !reflect.DeepEqual(got, sent) {
				t.Errorf("sent %v, got %v, %v", sent, got, err)
			}
			if got, err := c.EchoUUID(ctx, sent.ID); err != nil || got != sent.ID {
				t.Errorf("sent %v, got %v, %v", sent.ID, got, err)
			}
		})
	}
}
