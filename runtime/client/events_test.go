package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// TestClientCallDone: attempts, sizes and stages of calls of all kinds.
func TestClientCallDone(t *testing.T) {
	sent := func(m *rpc.Method, o wire.CallOptions) int {
		b, err := new(wire.Dialect).AppendCall(nil, 0, m, &text{"x"}, &o)
		if err != nil {
			t.Fatal(err)
		}
		return len(b)
	}
	done := len(appendReply(nil, 1, "done"))
	busy := &rpc.Error{Code: rpc.ResourceExhausted, Execution: rpc.NotExecuted, Advice: rpc.AdviceRetry}
	const ms = time.Millisecond
	idempotent := like(rpc.RetryIdempotent)
	for _, tt := range []struct {
		name   string
		method *rpc.Method
		opts   []Option
		answer func(asked) rpc.Reply
		want   observe.ClientCallDone // Method, Start and Err apart
	}{
		{"one attempt", echo, nil, func(asked) rpc.Reply { time.Sleep(7 * ms); return says("done") },
			observe.ClientCallDone{Took: 7 * ms, Attempts: 1, RequestBytes: sent(echo, wire.CallOptions{}), ReplyBytes: done, Stages: rpc.Stages{Wire: 7 * ms}}},
		{"three attempts", echo, nil, func(x asked) rpc.Reply {
			time.Sleep(7 * ms)
			if x.Retry < 2 {
				return refuses(busy)
			}
			return says("done")
		}, observe.ClientCallDone{Took: 81 * ms, Attempts: 3, RequestBytes: sent(echo, wire.CallOptions{Retry: 2}), ReplyBytes: done, Stages: rpc.Stages{ClientQueue: 60 * ms, Wire: 21 * ms}}},
		{"lost", echo, nil, func(x asked) rpc.Reply { time.Sleep(7 * ms); return says("kill") },
			observe.ClientCallDone{Took: 7 * ms, Attempts: 1, RequestBytes: sent(echo, wire.CallOptions{}), Stages: rpc.Stages{Wire: 7 * ms}}},
		{"late", echo, []Option{WithTimeout(9 * ms)}, func(x asked) rpc.Reply { <-x.ctx.Done(); return says("late") },
			observe.ClientCallDone{Took: 9 * ms, Attempts: 1, RequestBytes: sent(echo, wire.CallOptions{Timeout: 9 * ms}), Stages: rpc.Stages{Wire: 9 * ms}}},
		{"hedged", idempotent, []Option{WithHedging(Hedging{Delay: 5 * ms, Extra: 1})}, func(x asked) rpc.Reply {
			if x.Retry == 0 {
				<-x.ctx.Done()
			}
			return says("done")
		}, observe.ClientCallDone{Took: 5 * ms, Attempts: 2, RequestBytes: sent(idempotent, wire.CallOptions{}), ReplyBytes: done, Stages: rpc.Stages{Wire: 5 * ms}}},
	} {
		for _, async := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTown(t)
					a := w.add("a")
					a.become(func(x asked) rpc.Reply {
						r := tt.answer(x)
						if r.Result != nil && r.Result.(*text).s == "kill" {
							a.kill()
						}
						return r
					})
					var told []observe.ClientCallDone
					steady := DefaultRetry
					steady.Backoff.Jitter = 0
					opts := append(tt.opts, WithRetry(steady), WithEvents(observe.Events{ClientCallDone: func(d observe.ClientCallDone) { told = append(told, d) }}))
					client := w.client("tcp://a:1", opts...)
					defer w.close(client)
					var r text
					var err error
					if async {
						err = client.Go(context.Background(), tt.method, &text{"x"}, &r).Wait(context.Background())
					} else {
						err = client.Call(context.Background(), tt.method, &text{"x"}, &r)
					}
					if len(told) != 1 || told[0].Err != err {
						t.Fatalf("%v: told %+v", err, told)
					}
					d := told[0]
					d.Method, d.Err, d.Start = nil, nil, time.Time{}
					if d != tt.want {
						t.Errorf("%v: got\n%+v, want\n%+v", err, d, tt.want)
					}
				})
			})
		}
	}
}

// TestClientCallDoneUnsent: a call that finds no connection says so.
func TestClientCallDoneUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		p.refuse(errors.New("no such luck"))
		var told []observe.ClientCallDone
		c := p.client(WithLazyDial(), WithWaitForReady(), WithTimeout(time.Second),
			WithEvents(observe.Events{ClientCallDone: func(d observe.ClientCallDone) { told = append(told, d) }}))
		defer c.Close()
		c.Call(context.Background(), echo, &text{"x"}, new(text))
		if len(told) != 1 || told[0].Attempts != 0 || told[0].RequestBytes != 0 || told[0].Stages != (rpc.Stages{Dial: time.Second}) {
			t.Errorf("told %+v", told)
		}
	})
}
