package handler_test

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/handler"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// amount is a struct with one field, an i64: what rpcgen would make of a method's argument (field 1) or result (field 0).
type amount struct {
	field int16
	value int64
}

func (a *amount) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.I64Field(a.field, a.value)
	e.EndStruct(outer)
}

func (a *amount) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.ID == a.field && f.Type == codec.I64 {
			a.value = d.I64()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

// deposit is "i64 deposit(1: i64 amount) (retry = "at_most_once")" of a service Account.
var deposit = rpc.Method{Service: "Account", Name: "deposit", FullName: "Account.deposit", Retry: rpc.RetryAtMostOnce}

// account is a service with that method.
func account(invoke func(ctx context.Context, sum int64) (codec.Encodable, error)) *rpc.Service {
	return &rpc.Service{Name: "Account", Handlers: []rpc.Handler{{
		Method:  &deposit,
		NewArgs: func() codec.Decodable { return &amount{field: 1} },
		Invoke: func(ctx context.Context, args codec.Decodable) (codec.Encodable, error) {
			return invoke(ctx, args.(*amount).value)
		},
	}}}
}

// serve runs a server of an account and calls f with a client of it.
func serve(invoke func(ctx context.Context, sum int64) (codec.Encodable, error), f func(*client.Client, *server.Server), opts ...server.Option) {
	s := server.New(opts...)
	if err := s.Register(account(invoke)); err != nil {
		panic(err)
	}
	address, err := s.Listen("tcp://127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	c, err := client.Dial(context.Background(), address)
	if err != nil {
		panic(err)
	}
	f(c, s)
	c.Close()
	s.Shutdown(context.Background())
	<-done
}

// A fair queue, in which no caller may have more than 100 calls in flight. Settings may change while the server runs.
func ExampleOverload() {
	overload := handler.Overload{Fair: true, Identity: handler.ByAddress, MaxPerCaller: 100}
	serve(func(_ context.Context, sum int64) (codec.Encodable, error) {
		return &amount{0, sum}, nil
	}, func(c *client.Client, s *server.Server) {
		balance := amount{field: 0}
		err := c.Call(context.Background(), &deposit, &amount{1, 40}, &balance)
		fmt.Println(balance.value, err)

		overload.MaxPerCaller = 1000
		fmt.Println(s.Reconfigure(0, overload))
		fmt.Println(len(s.CallStats().Levels), "levels")
	}, server.WithOverload(overload))
	// Output:
	// 40 <nil>
	// <nil>
	// 4 levels
}

// journal keeps the outcomes of at-most-once calls; a real one would write them to a log that the standby reads.
type journal struct {
	mu      sync.Mutex
	entries []*handler.RetryEntry
}

func (j *journal) Save(e *handler.RetryEntry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	return nil
}

func (j *journal) Load(restore func(*handler.RetryEntry)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.entries {
		restore(e)
	}
	return nil
}

// A deposit must not be made twice, even if the connection breaks before its reply comes and the client asks again, and even
// if it then finds another server.
func ExampleRetryStore() {
	var balance int64
	book := new(journal)
	serve(func(ctx context.Context, sum int64) (codec.Encodable, error) {
		balance += sum
		return &amount{0, balance}, nil
	}, func(c *client.Client, s *server.Server) {
		result := amount{field: 0}
		err := c.Call(context.Background(), &deposit, &amount{1, 40}, &result)
		fmt.Println(result.value, err)
		book.Load(func(e *handler.RetryEntry) {
			fmt.Println("kept:", e.Method, "number", e.Number, "with", len(e.Result), "bytes")
		})
	}, server.WithRetryCache(handler.Retries{Store: book}))
	// Output:
	// 40 <nil>
	// kept: Account.deposit number 1 with 12 bytes
}

// The reply to a deposit is lost with its connection, so the client asks again on a new one. The server has kept the
// outcome, and the deposit is made once.
func Example_lostReply() {
	var balance, deposits int64
	bank, err := rpctest.NewServer(rpctest.Options{}, account(func(_ context.Context, sum int64) (codec.Encodable, error) {
		deposits++
		balance += sum
		return &amount{0, balance}, nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bank.Close()
	var link rpctest.Link
	connections := 0
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		connections++
		link.Set(rpctest.Incoming, rpctest.Fault{}) // the new connection is a good one
		return bank.Dial(ctx, network, address)
	}
	c, err := client.Dial(context.Background(), "tcp://bank.example:7000", client.WithDialer(link.Dialer(dial)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	result := amount{field: 0}
	err = c.Call(context.Background(), &deposit, &amount{1, 40}, &result)
	fmt.Println(result.value, err)

	link.Set(rpctest.Incoming, rpctest.Fault{Cut: 1}) // the connection ends with the first byte of the next reply
	err = c.Call(context.Background(), &deposit, &amount{1, 2}, &result)
	fmt.Println(result.value, err)
	fmt.Println(deposits, "deposits,", connections, "connections")
	// Output:
	// 40 <nil>
	// 42 <nil>
	// 2 deposits, 2 connections
}

// A call that waits for something gives its worker back: here there is one worker for two calls, of which the first is
// answered by the second.
func Example_deferredReply() {
	waiting := make(chan *rpc.Deferral, 1)
	serve(func(ctx context.Context, sum int64) (codec.Encodable, error) {
		if sum == 0 { // tell me when there is money
			d, err := rpc.Defer(ctx)
			if err != nil {
				return nil, err
			}
			waiting <- d
			return nil, rpc.ErrDeferred
		}
		d := <-waiting
		d.Reply(&amount{0, sum})
		return &amount{0, sum}, nil
	}, func(c *client.Client, _ *server.Server) {
		first, second := amount{field: 0}, amount{field: 0}
		pending := c.Go(context.Background(), &deposit, &amount{1, 0}, &first)
		err := c.Call(context.Background(), &deposit, &amount{1, 40}, &second)
		fmt.Println(pending.Wait(context.Background()), err, first.value, second.value)
	}, server.WithWorkers(1))
	// Output: <nil> <nil> 40 40
}
