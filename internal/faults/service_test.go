package faults

import (
	"context"
	"crypto/rand"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// order is what a call asks for: how long to hold its reply, and how large that is to be.
type order struct {
	ID   int64
	Hold time.Duration
	Size int32
}

func (o *order) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.I64Field(1, o.ID)
	e.I64Field(2, int64(o.Hold))
	e.I32Field(3, o.Size)
	e.EndStruct(outer)
}

func (o *order) DecodeThrift(d *codec.Decoder) {
	*o = order{}
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		switch f.Key() {
		case 1<<8 | uint32(codec.I64):
			o.ID = d.I64()
		case 2<<8 | uint32(codec.I64):
			o.Hold = time.Duration(d.I64())
		case 3<<8 | uint32(codec.I32):
			o.Size = d.I32()
		default:
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

// receipt is what a call returns: its id, and the process that executed it.
type receipt struct {
	ID  int64
	PID int64
	Pad []byte
}

func (r *receipt) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.I64Field(1, r.ID)
	e.I64Field(2, r.PID)
	e.BinaryField(3, r.Pad)
	e.EndStruct(outer)
}

func (r *receipt) DecodeThrift(d *codec.Decoder) {
	*r = receipt{}
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		switch f.Key() {
		case 1<<8 | uint32(codec.I64):
			r.ID = d.I64()
		case 2<<8 | uint32(codec.I64):
			r.PID = d.I64()
		case 3<<8 | uint32(codec.String):
			r.Pad = d.Binary()
		default:
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

func method(name string, r rpc.Retry) *rpc.Method {
	return &rpc.Method{Service: "Faults", Name: name, FullName: "Faults." + name, Retry: r}
}

func streamMethod(name string, mode rpc.StreamMode) *rpc.Method {
	m := method(name, rpc.RetryUnset)
	m.Stream = mode
	return m
}

var (
	appendOnce = method("appendOnce", rpc.RetryAtMostOnce) // writes to the journal
	appendLine = method("appendLine", rpc.RetryUnset)      // likewise
	methodRead = method("read", rpc.RetryIdempotent)       // writes nothing

	pour = streamMethod("pour", rpc.StreamResult) // sends messages without end
	soak = streamMethod("soak", rpc.StreamArgs)   // receives them

	mirror = streamMethod("mirror", rpc.StreamBoth) // sends messages back
	ignore = streamMethod("ignore", rpc.StreamArgs) // receives nothing
)

// workshop implements the methods.
type workshop struct {
	journal *journal // nil for none
	brief   bool
	pid     int64
	noise   []byte // what replies are made of; it cannot be compressed

	begun atomic.Int64 // handlers that were started
	late  atomic.Int64 // of them, after their deadline
	busy  atomic.Int64 // nanoseconds that handlers took
}

func newWorkshop(j *journal, brief bool) *workshop {
	w := &workshop{journal: j, brief: brief, pid: int64(os.Getpid()), noise: make([]byte, maxSize)}
	rand.Read(w.noise) // never fails
	return w
}

const maxSize = 1 << 20 // of a reply

func (w *workshop) service() *rpc.Service {
	s := &rpc.Service{Name: "Faults"}
	for _, m := range []*rpc.Method{appendOnce, appendLine, methodRead} {
		s.Handlers = append(s.Handlers, rpc.Handler{
			Method:  m,
			NewArgs: func() codec.Decodable { return new(order) },
			Invoke: func(ctx context.Context, args codec.Decodable) (codec.Encodable, error) {
				return w.run(ctx, m, args.(*order))
			},
		})
	}
	for m, open := range map[*rpc.Method]func(context.Context, *order, rpc.Stream) error{
		pour: w.pour, soak: w.soak, mirror: w.mirror, ignore: w.ignore,
	} {
		s.Handlers = append(s.Handlers, rpc.Handler{
			Method:  m,
			NewArgs: func() codec.Decodable { return new(order) },
			Open: func(ctx context.Context, args codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
				w.begun.Add(1)
				o := args.(*order)
				if err := open(ctx, o, s); err != nil {
					return nil, err
				}
				return &receipt{ID: o.ID, PID: w.pid}, nil
			},
		})
	}
	return s
}

func (w *workshop) pour(ctx context.Context, o *order, s rpc.Stream) error {
	for {
		if err := s.SendBytes(ctx, w.noise[:min(max(o.Size, 0), maxSize)]); err != nil {
			return err
		}
	}
}

func (w *workshop) soak(ctx context.Context, _ *order, s rpc.Stream) error {
	for {
		b, err := s.RecvBytes(ctx)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		rpc.Recycle(b)
	}
}

func (w *workshop) mirror(ctx context.Context, _ *order, s rpc.Stream) error {
	for {
		b, err := s.RecvBytes(ctx)
		if err == nil {
			err = s.SendBytes(ctx, b)
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (w *workshop) ignore(ctx context.Context, _ *order, _ rpc.Stream) error {
	<-ctx.Done()
	return ctx.Err()
}

func (w *workshop) run(ctx context.Context, m *rpc.Method, o *order) (codec.Encodable, error) {
	begin := time.Now()
	w.begun.Add(1)
	if deadline, ok := ctx.Deadline(); ok && !begin.Before(deadline) {
		w.late.Add(1)
	}
	defer func() { w.busy.Add(int64(time.Since(begin))) }()
	if m != methodRead && w.journal != nil {
		if err := w.journal.add(rpc.CallFrom(ctx), o.ID, w.pid); err != nil {
			return nil, err
		}
	}
	if o.Hold > 0 && !w.brief {
		time.Sleep(o.Hold) // the work: it takes the same time whoever else uses the machine, and it cannot be cut short
	}
	return &receipt{ID: o.ID, PID: w.pid, Pad: w.noise[:min(max(o.Size, 0), maxSize)]}, nil
}
