package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// hostileFrame is something that a server may say, or should not, about streams with ids up to last.
func hostileFrame(rnd *rand.Rand, last uint64) []byte {
	id := rnd.Uint64N(last + 3)
	size := rnd.IntN([]int{10, 1000, 40_000, 300_000}[rnd.IntN(4)])
	data := func(flags wire.Flags, claimed, n int) []byte {
		return append(wire.AppendDataHeader(nil, id, flags, claimed), make([]byte, n)...)
	}
	switch rnd.IntN(16) {
	case 0:
		return data(0, size, size)
	case 1:
		return data(wire.FlagMore, size, size)
	case 2:
		return data(wire.FlagMore|wire.FlagBlocked, size, size/2) // the next frame becomes its rest
	case 3:
		return data(0, 1<<30+size, size)
	case 4:
		return wire.AppendEnd(nil, id)
	case 5:
		return wire.AppendCredit(nil, id, rnd.Uint64N(wire.MinWindow)) // no more than there was
	case 6:
		return wire.AppendCredit(nil, id, 1<<63|rnd.Uint64())
	case 7:
		return wire.AppendReset(nil, id, wire.Reset{Final: rnd.Uint64N(1 << 17), Code: rpc.Aborted, Message: "hostile"})
	case 8:
		return wire.AppendReset(nil, id, wire.Reset{Final: rnd.Uint64(), Code: rpc.Aborted})
	case 9:
		return wire.AppendGoAway(nil, wire.GoAway{Last: id, Message: "hostile"})
	case 10:
		var pings []byte
		for range rnd.IntN(2 * maxPongs) {
			pings = wire.AppendPing(pings, 7)
		}
		return pings
	case 11:
		return appendReply(nil, id, "unasked")
	case 12:
		return wire.AppendError(nil, id, &rpc.Error{Code: rpc.Aborted, Message: "hostile"})
	case 13:
		return append(wire.AppendFrameHeader(nil, wire.FrameHeader{Kind: 0x80, Length: uint32(size)}), make([]byte, size)...)
	case 14:
		return wire.AppendPong(nil, 9)
	}
	b := make([]byte, rnd.IntN(100))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// TestHostileServerAndLeader: a receiver that reads the connection itself takes whatever a server says as the reader goroutine
// does. It keeps to its bounds, others that wait are served or told, and nothing is left.
func TestHostileServerAndLeader(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 60
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { bubble(t, func(t *testing.T) { hostileToLeader(t, uint64(seed)) }) })
	}
}

func hostileToLeader(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 6))
	c, s, h := receiver(t)
	defer c.Close()
	const bound = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	began := time.Now()
	got := receiving(ctx, s)
	wantHelm(t, s.conn, helmLed)
	var sent <-chan error
	if rnd.IntN(2) == 0 {
		done := make(chan error, 1)
		go func() { done <- s.SendBytes(ctx, make([]byte, 1<<20)) }()
		sent = done
	}
	var call <-chan error
	if rnd.IntN(2) == 0 {
		done := make(chan error, 1)
		go func() { done <- c.Call(ctx, echo, &text{"x"}, new(text)) }()
		call = done
	}
	for range 1 + rnd.IntN(6) {
		h.host.push(hostileFrame(rnd, s.call.id+1))
		time.Sleep(time.Duration(rnd.IntN(8)) * time.Millisecond)
		if rnd.IntN(8) == 0 {
			go s.Cancel()
		}
	}
	if rnd.IntN(3) == 0 {
		h.host.nc.Close()
	}
	for r := <-got; r.err == nil; r = <-got {
		got = receiving(ctx, s)
	}
	if sent != nil {
		<-sent
	}
	if call != nil {
		<-call
	}
	if d := time.Since(began); d > bound+helmWatch {
		t.Errorf("it took %v, %v are allowed", d, bound)
	}
	s.Cancel()
	s.Finish(ctx, nil)
	h.host.nc.Close()
	check(t, s)
	cn := s.conn
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.streams.waiting != 0 || cn.table.streams != 0 {
		t.Errorf("%d wait, %d streams are in the table", cn.streams.waiting, cn.table.streams)
	}
}
