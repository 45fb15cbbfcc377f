package suite

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

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/compat"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const (
	pipelined = 100     // calls under way at once
	large     = 1 << 20 // bytes of a large message
)

// checker makes every kind of call over one connection.
type checker struct {
	caller     *counter
	native     bool   // the server is ours, and executes the calls of a connection in any order
	identities bool   // the server has Registry
	log        string // a name for the server to keep notes under, unique among the checks of one server
}

func (k *checker) check(ctx context.Context) error {
	c := compat.NewCompatClient(k.caller)
	for _, step := range []struct {
		name string
		run  func(context.Context, *compat.CompatClient) error
	}{
		{"calls without values", k.inherited},
		{"base types", k.scalars},
		{"containers", k.containers},
		{"specimens", k.specimens},
		{"exceptions", k.exceptions},
		{"an unknown method", k.unknown},
		{"oneway", k.oneway},
		{"pipelining", k.pipeline},
		{"large messages", k.large},
		{"uuid", k.uuids},
	} {
		if err := step.run(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// echo calls f with each value and wants it back.
func echo[T any](ctx context.Context, f func(context.Context, T) (T, error), equal func(a, b T) bool, values ...T) error {
	for _, v := range values {
		got, err := f(ctx, v)
		if err != nil {
			return err
		}
		if !equal(got, v) {
			return fmt.Errorf("sent %v, got %v", v, got)
		}
	}
	return nil
}

// expect returns err, or if that is nil and ok does not hold, an error of the given text.
func expect(err error, ok bool, format string, args ...any) error {
	if err == nil && !ok {
		err = fmt.Errorf(format, args...)
	}
	return err
}

func same[T comparable](a, b T) bool { return a == b }

func (k *checker) inherited(ctx context.Context, c *compat.CompatClient) error {
	return errors.Join(
		c.Nothing(ctx),
		echo(ctx, c.Ping, same, "", "ping"),
		echo(ctx, compat.NewBaseClient(k.caller).Ping, same, "the ancestor's name"),
	)
}

func (k *checker) scalars(ctx context.Context, c *compat.CompatClient) error {
	sameBits := func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
	return errors.Join(
		echo(ctx, c.EchoBool, same, true, false),
		echo(ctx, c.EchoI8, same, 0, 1, -1, math.MaxInt8, math.MinInt8),
		echo(ctx, c.EchoI16, same, 0, 255, -256, math.MaxInt16, math.MinInt16),
		echo(ctx, c.EchoI32, same, 0, 1<<16, -1, math.MaxInt32, math.MinInt32),
		echo(ctx, c.EchoI64, same, 0, 1<<40, -1<<33, math.MaxInt64, math.MinInt64),
		echo(ctx, c.EchoDouble, sameBits, 0, math.Copysign(0, -1), 1.5, -1e-300, math.MaxFloat64,
			math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN()),
		echo(ctx, c.EchoString, same, "", "a", Unicode, strings.Repeat("é", 300)),
		echo(ctx, c.EchoBinary, bytes.Equal, []byte{}, []byte{0}, everyByte()),
		echo(ctx, c.EchoMood, same, compat.MoodCalm, compat.MoodGloomy, compat.MoodBeyond),
		k.join(ctx, c),
	)
}

func (k *checker) join(ctx context.Context, c *compat.CompatClient) error {
	got, err := c.Join(ctx, -1, "two", true)
	return expect(err, got == "-1 two true", "join: %q", got)
}

func (k *checker) containers(ctx context.Context, c *compat.CompatClient) error {
	sameSet := func(a, b []int32) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	}
	sameShape := func(a, b *compat.Shape) bool { return reflect.DeepEqual(a, b) }
	shapes := usual().Shapes
	err := errors.Join(
		echo(ctx, c.EchoList, slices.Equal[[]string], []string{}, []string{"a", "", Unicode}, make([]string, 1000)),
		echo(ctx, c.EchoSet, sameSet, []int32{}, []int32{math.MinInt32, -1, 0, math.MaxInt32}),
		echo(ctx, c.EchoMap, maps.Equal[map[string]int32, map[string]int32], map[string]int32{}, map[string]int32{"": 0, Unicode: -1}),
	)
	for i := range shapes {
		err = errors.Join(err, echo(ctx, c.EchoShape, sameShape, &shapes[i]))
	}
	return err
}

func (k *checker) specimens(ctx context.Context, c *compat.CompatClient) error {
	for _, which := range []compat.Specimen{compat.SpecimenUsual, compat.SpecimenBare, compat.SpecimenExtreme} {
		theirs, err := c.Specimen(ctx, which)
		if err != nil {
			return fmt.Errorf("%v: %w", which, err)
		}
		ours := Specimen(which)
		if !Equal(theirs, ours) {
			return fmt.Errorf("%v of the server: got\n%v, want\n%v", which, theirs, ours)
		}
		same, err := c.Same(ctx, which, ours)
		if err := expect(err, same, "%v: to the server, ours is another value", which); err != nil {
			return err
		}
		echoed, err := c.Echo(ctx, ours)
		if err := expect(err, err == nil && Equal(echoed, ours), "sent %v, got %v", ours, echoed); err != nil {
			return err
		}
	}
	return nil
}

func (k *checker) exceptions(ctx context.Context, c *compat.CompatClient) error {
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
	if !errors.As(err, &overload) || overload.RetryAfterMs != overloadPause {
		return fmt.Errorf("attempt 3 is no overload: %v", err)
	}

	// An error that is not declared: Thrift keeps its text at best, the native protocol its code.
	_, err = c.Attempt(ctx, 4)
	want := rpc.Internal
	if k.native {
		want = rpc.FailedPrecondition
	}
	var failure *rpc.Error
	if !errors.As(err, &failure) || failure.Code != want || !failure.Remote || failure.Execution == rpc.NotExecuted {
		return fmt.Errorf("attempt 4: %v", err)
	}

	refused = nil
	if err := c.Refuse(ctx, true); !errors.As(err, &refused) || !reflect.DeepEqual(refused, refusal()) {
		return fmt.Errorf("not refused: %v", err)
	}
	return c.Refuse(ctx, false)
}

func (k *checker) unknown(ctx context.Context, c *compat.CompatClient) error {
	_, err := compat.NewFutureClient(k.caller).NotYet(ctx, 1)
	var failure *rpc.Error
	if !errors.As(err, &failure) || failure.Code != rpc.Unimplemented || failure.Execution != rpc.NotExecuted || !failure.Remote {
		return fmt.Errorf("the error is: %v", err)
	}
	return c.Nothing(ctx) // on the same connection
}

func (k *checker) oneway(ctx context.Context, c *compat.CompatClient) error {
	if k.native {
		return k.onewayUnordered(ctx, c)
	}
	var lines []string
	for i := range 20 {
		lines = append(lines, strconv.Itoa(i))
		if err := c.Note(ctx, k.log, lines[i]); err != nil {
			return err
		}
	}
	got, err := c.Notes(ctx, k.log)
	return expect(err, slices.Equal(got, lines), "the notes are %q", got)
}

// onewayUnordered asks for the notes until they are there: on a native connection, calls run side by side.
func (k *checker) onewayUnordered(ctx context.Context, c *compat.CompatClient) error {
	if err := c.Note(ctx, k.log, "one"); err != nil {
		return err
	}
	for {
		got, err := c.Notes(ctx, k.log)
		if err != nil {
			return err
		}
		if len(got) > 0 {
			return expect(nil, slices.Equal(got, []string{"one"}), "the notes are %q", got)
		}
	}
}

func (k *checker) pipeline(ctx context.Context, c *compat.CompatClient) error {
	var calls []*compat.CompatPingCall
	for i := range pipelined {
		calls = append(calls, c.PingAsync(ctx, strconv.Itoa(i)))
	}
	for i, call := range calls {
		got, err := call.Wait(ctx)
		if err := expect(err, got == strconv.Itoa(i), "call %d: %q", i, got); err != nil {
			return err
		}
	}
	return nil
}

func (k *checker) large(ctx context.Context, c *compat.CompatClient) error {
	blob := bytes.Repeat(everyByte(), large/256)
	text := strings.Repeat("漢", large/3)
	words := slices.Repeat([]string{"word", "", "another"}, 20_000)
	gotBlob, err := c.EchoBinary(ctx, blob)
	if err := expect(err, bytes.Equal(gotBlob, blob), "binary: other %d bytes", len(gotBlob)); err != nil {
		return err
	}
	gotText, err := c.EchoString(ctx, text)
	if err := expect(err, gotText == text, "string: other %d bytes", len(gotText)); err != nil {
		return err
	}
	gotWords, err := c.EchoList(ctx, words)
	return expect(err, slices.Equal(gotWords, words), "list: other %d elements", len(gotWords))
}

func (k *checker) uuids(ctx context.Context, _ *compat.CompatClient) error {
	if !k.identities {
		return nil
	}
	c := compat.NewRegistryClient(k.caller)
	v := Identity()
	got, err := c.EchoIdentity(ctx, v)
	if err := expect(err, reflect.DeepEqual(got, v), "sent %v, got %v", v, got); err != nil {
		return err
	}
	return echo(ctx, c.EchoUUID, same, [16]byte{}, v.ID)
}

// Identity returns a value with a uuid in each place that can have one.
func Identity() *compat.Identity {
	id := [16]byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	parent := [16]byte{15: 1}
	return &compat.Identity{
		ID: id, Parent: &parent, Aliases: [][16]byte{parent, {}}, Revoked: [][16]byte{id},
		Names: map[[16]byte]string{id: "id", parent: "parent"},
	}
}
