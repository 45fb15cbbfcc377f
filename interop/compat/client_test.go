package compat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/suite"
	"github.com/kuafu-rpc/kuafu/interop/compat/gen/compat"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// serveOurs runs our server until the test ends, and returns its host and port.
func serveOurs(t *testing.T) string {
	t.Helper()
	srv := server.New()
	if err := srv.Register(suite.NewHandler().Services()...); err != nil {
		t.Fatal(err)
	}
	bound, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, server.ErrClosed) {
			t.Error(err)
		}
	})
	return strings.TrimPrefix(bound, "tcp://")
}

// peer is a client of Apache's.
type peer struct {
	in, out thrift.TProtocol
	client  *thrift.TStandardClient
	compat  *compat.CompatClient
	log     string
}

func dialApache(t *testing.T, address string, d dialect) *peer {
	t.Helper()
	socket := thrift.NewTSocketConf(address, &thrift.TConfiguration{ConnectTimeout: 10 * time.Second, SocketTimeout: 20 * time.Second})
	transport, err := d.transports.GetTransport(socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := transport.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { transport.Close() })
	in := d.protocols.GetProtocol(transport)
	out := in
	if d.service != "" {
		out = thrift.NewTMultiplexedProtocol(in, d.service)
	}
	client := thrift.NewTStandardClient(in, out)
	return &peer{in, out, client, compat.NewCompatClient(client), d.name}
}

func TestApacheClient(t *testing.T) {
	address := serveOurs(t)
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			p := dialApache(t, address, d)
			for _, step := range []struct {
				name string
				run  func(context.Context) error
			}{
				{"calls without values", p.inherited},
				{"base types", p.scalars},
				{"containers", p.containers},
				{"specimens", p.specimens},
				{"exceptions", p.exceptions},
				{"an unknown method", p.unknown},
				{"oneway", p.oneway},
				{"pipelining", p.pipeline},
				{"large messages", p.large},
			} {
				if err := step.run(t.Context()); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
			}
		})
	}
}

// echo calls f with each value and wants it back.
func echo[T any](ctx context.Context, f func(context.Context, T) (T, error), equal func(a, b T) bool, values ...T) error {
	for _, v := range values {
		got, err := f(ctx, v)
		if err := expect(err, err == nil && equal(got, v), "sent %v, got %v", v, got); err != nil {
			return err
		}
	}
	return nil
}

func expect(err error, ok bool, format string, args ...any) error {
	if err == nil && !ok {
		err = fmt.Errorf(format, args...)
	}
	return err
}

func same[T comparable](a, b T) bool { return a == b }

func (p *peer) inherited(ctx context.Context) error {
	return errors.Join(p.compat.Nothing(ctx), echo(ctx, p.compat.Ping, same, "", "ping"))
}

func (p *peer) scalars(ctx context.Context) error {
	c := p.compat
	sameBits := func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
	joined, err := c.Join(ctx, -1, "two", true)
	return errors.Join(
		expect(err, joined == "-1 two true", "join: %q", joined),
		echo(ctx, c.EchoBool, same, true, false),
		echo(ctx, c.EchoI8, same, 0, 1, -1, math.MaxInt8, math.MinInt8),
		echo(ctx, c.EchoI16, same, 0, 255, -256, math.MaxInt16, math.MinInt16),
		echo(ctx, c.EchoI32, same, 0, 1<<16, -1, math.MaxInt32, math.MinInt32),
		echo(ctx, c.EchoI64, same, 0, 1<<40, -1<<33, math.MaxInt64, math.MinInt64),
		echo(ctx, c.EchoDouble, sameBits, 0, math.Copysign(0, -1), 1.5, -1e-300, math.MaxFloat64,
			math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN()),
		echo(ctx, c.EchoString, same, "", "a", suite.Unicode, strings.Repeat("é", 300)),
		echo(ctx, c.EchoBinary, bytes.Equal, []byte{}, []byte{0}, everyByte()),
		echo(ctx, c.EchoMood, same, compat.Mood_CALM, compat.Mood_GLOOMY, compat.Mood_BEYOND),
	)
}

func (p *peer) containers(ctx context.Context) error {
	c := p.compat
	sameShape := func(a, b *compat.Shape) bool { return reflect.DeepEqual(a, b) }
	return errors.Join(
		echo(ctx, c.EchoList, slices.Equal, []string{}, []string{"a", "", suite.Unicode}, make([]string, 1000)),
		echo(ctx, c.EchoSet, slices.Equal, []int32{}, []int32{math.MinInt32, -1, 0, math.MaxInt32}),
		echo(ctx, c.EchoMap, maps.Equal[map[string]int32, map[string]int32], map[string]int32{}, map[string]int32{"": 0, suite.Unicode: -1}),
		echo(ctx, c.EchoShape, sameShape, usual().Shapes...),
	)
}

func (p *peer) specimens(ctx context.Context) error {
	c := p.compat
	for _, which := range []compat.Specimen{compat.Specimen_USUAL, compat.Specimen_BARE, compat.Specimen_EXTREME} {
		ours := specimen(which)
		theirs, err := c.Specimen(ctx, which)
		if err := expect(err, reflect.DeepEqual(theirs, ours), "%v of the server: got\n%v, want\n%v", which, theirs, ours); err != nil {
			return err
		}
		same, err := c.Same(ctx, which, ours)
		if err := expect(err, same, "%v: to the server, ours is another value", which); err != nil {
			return err
		}
		echoed, err := c.Echo(ctx, ours)
		if err := expect(err, reflect.DeepEqual(echoed, ours), "sent\n%v, got\n%v", ours, echoed); err != nil {
			return err
		}
	}
	same, err := c.Same(ctx, compat.Specimen_BARE, usual())
	return expect(err, !same, "to the server, the usual value is the bare one")
}

func (p *peer) exceptions(ctx context.Context) error {
	c := p.compat
	n, err := c.Attempt(ctx, 1)
	if err := expect(err, n == 1, "attempt 1: %d", n); err != nil {
		return err
	}
	_, err = c.Attempt(ctx, 2)
	var refused *compat.Refusal
	if !errors.As(err, &refused) || !reflect.DeepEqual(refused, refusal()) {
		return fmt.Errorf("attempt 2 is not refused: %v", err)
	}
	_, err = c.Attempt(ctx, 3)
	var overload *compat.Overload
	if !errors.As(err, &overload) || overload.RetryAfterMs != -1500 {
		return fmt.Errorf("attempt 3 is no overload: %v", err)
	}
	_, err = c.Attempt(ctx, 4)
	var failure thrift.TApplicationException
	if !errors.As(err, &failure) || failure.TypeId() != thrift.INTERNAL_ERROR || err.Error() != "failed_precondition: attempt 4 is hopeless" {
		return fmt.Errorf("attempt 4: %v", err)
	}
	refused = nil
	if err := c.Refuse(ctx, true); !errors.As(err, &refused) || !reflect.DeepEqual(refused, refusal()) {
		return fmt.Errorf("not refused: %v", err)
	}
	return c.Refuse(ctx, false)
}

func (p *peer) unknown(ctx context.Context) error {
	_, err := compat.NewFutureClient(p.client).NotYet(ctx, 1)
	var failure thrift.TApplicationException
	if !errors.As(err, &failure) || failure.TypeId() != thrift.UNKNOWN_METHOD {
		return fmt.Errorf("an unknown method: %v", err)
	}
	nobody := thrift.NewTStandardClient(p.in, thrift.NewTMultiplexedProtocol(p.in, "Nobody"))
	failure = nil
	if err := compat.NewBaseClient(nobody).Nothing(ctx); !errors.As(err, &failure) || failure.TypeId() != thrift.UNKNOWN_METHOD {
		return fmt.Errorf("an unknown service: %v", err)
	}
	return p.compat.Nothing(ctx) // on the same connection
}

func (p *peer) oneway(ctx context.Context) error {
	var lines []string
	for i := range 20 {
		lines = append(lines, strconv.Itoa(i))
		if err := p.compat.Note(ctx, p.log, lines[i]); err != nil {
			return err
		}
	}
	got, err := p.compat.Notes(ctx, p.log)
	return expect(err, slices.Equal(got, lines), "the notes are %q", got)
}

func (p *peer) pipeline(ctx context.Context) error {
	const first, calls = 1 << 20, 100
	for i := range int32(calls) {
		if err := p.client.Send(ctx, p.out, first+i, "ping", &compat.BasePingArgs{Text: strconv.Itoa(int(i))}); err != nil {
			return err
		}
	}
	for i := range int32(calls) {
		var result compat.BasePingResult
		err := p.client.Recv(ctx, p.in, first+i, "ping", &result)
		if err := expect(err, err == nil && result.GetSuccess() == strconv.Itoa(int(i)), "call %d: %q", i, result.GetSuccess()); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) large(ctx context.Context) error {
	const size = 1 << 20
	return errors.Join(
		echo(ctx, p.compat.EchoBinary, bytes.Equal, bytes.Repeat(everyByte(), size/256)),
		echo(ctx, p.compat.EchoString, same, strings.Repeat("漢", size/3)),
		echo(ctx, p.compat.EchoList, slices.Equal, slices.Repeat([]string{"word", "", "another"}, 20_000)),
	)
}
