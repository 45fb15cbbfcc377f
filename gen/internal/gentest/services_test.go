package gentest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/kitchen"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/services"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/shared"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/versions/after"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/versions/before"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// echoShapes returns what it is given.
type echoShapes struct{}

func (echoShapes) Nothing(context.Context) error                                   { return nil }
func (echoShapes) Flag(_ context.Context, v bool) (bool, error)                    { return v, nil }
func (echoShapes) Small(_ context.Context, v int8) (int8, error)                   { return v, nil }
func (echoShapes) Medium(_ context.Context, v int16) (int16, error)                { return v, nil }
func (echoShapes) Large(_ context.Context, v int32) (int32, error)                 { return v, nil }
func (echoShapes) Huge(_ context.Context, v int64) (int64, error)                  { return v, nil }
func (echoShapes) Real(_ context.Context, v float64) (float64, error)              { return v, nil }
func (echoShapes) Text(_ context.Context, v string) (string, error)                { return v, nil }
func (echoShapes) Data(_ context.Context, v []byte) ([]byte, error)                { return v, nil }
func (echoShapes) ID(_ context.Context, v [16]byte) ([16]byte, error)              { return v, nil }
func (echoShapes) Color(_ context.Context, v kitchen.Color) (kitchen.Color, error) { return v, nil }
func (echoShapes) Numbers(_ context.Context, v []int32) ([]int32, error)           { return v, nil }
func (echoShapes) Words(_ context.Context, v []string) ([]string, error)           { return v, nil }
func (echoShapes) Laters(_ context.Context, v map[string]kitchen.Later) (map[string]kitchen.Later, error) {
	return v, nil
}
func (echoShapes) Blobs(_ context.Context, v []blob) ([]blob, error) { return v, nil }
func (echoShapes) Structure(_ context.Context, v *kitchen.Later) (*kitchen.Later, error) {
	return v, nil
}
func (echoShapes) Shape(_ context.Context, v *kitchen.Shape) (*kitchen.Shape, error) { return v, nil }
func (echoShapes) Node(_ context.Context, v *kitchen.Node) (*kitchen.Node, error)    { return v, nil }
func (echoShapes) Exceptional(_ context.Context, v *services.Busy) (*shared.NotFound, error) {
	if v.RetryAfterMs == 0 {
		return nil, &shared.NotFound{Key: shared.Key{Name: "missing"}}
	}
	return &shared.NotFound{Key: shared.Key{Name: "result"}}, nil
}
func (echoShapes) Typedefs(_ context.Context, id kitchen.UserID, ids kitchen.UserIDs, f *kitchen.Forward) (*kitchen.Forward, error) {
	return &kitchen.Later{X: int32(id) + int32(len(ids)) + f.X}, nil
}

// blob is an entry of a map<binary, i32>.
type blob = struct {
	Key   []byte
	Value int32
}

// same fails the test if a call has not returned what it was given.
func same[T any](t *testing.T, want T) func(T, error) {
	return func(got T, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%T: %v", want, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%T (-want +got):\n%s", want, diff)
		}
	}
}

func TestArgumentsAndResults(t *testing.T) {
	ctx := t.Context()
	for _, enc := range encodings {
		caller, err := newLoopback(enc, services.NewShapesService(echoShapes{}))
		if err != nil {
			t.Fatal(err)
		}
		c := services.NewShapesClient(caller)
		if err := c.Nothing(ctx); err != nil {
			t.Error(err)
		}
		same(t, true)(c.Flag(ctx, true))
		same(t, int8(-8))(c.Small(ctx, -8))
		same(t, int16(-16))(c.Medium(ctx, -16))
		same(t, int32(-32))(c.Large(ctx, -32))
		same(t, int64(-64))(c.Huge(ctx, -64))
		same(t, 0.5)(c.Real(ctx, 0.5))
		same(t, "text")(c.Text(ctx, "text"))
		same(t, []byte{0, 255})(c.Data(ctx, []byte{0, 255}))
		same(t, []byte{})(c.Data(ctx, nil))
		same(t, [16]byte{1})(c.ID(ctx, [16]byte{1}))
		same(t, kitchen.Color(99))(c.Color(ctx, 99))
		same(t, []int32{1, 2})(c.Numbers(ctx, []int32{1, 2}))
		same(t, []string{})(c.Words(ctx, nil))
		same(t, map[string]kitchen.Later{"a": {X: 1}})(c.Laters(ctx, map[string]kitchen.Later{"a": {X: 1}}))
		same(t, []blob{{[]byte("k"), 1}})(c.Blobs(ctx, []blob{{[]byte("k"), 1}}))
		same(t, &kitchen.Later{X: 3})(c.Structure(ctx, &kitchen.Later{X: 3}))
		same(t, &kitchen.Later{})(c.Structure(ctx, nil)) // the server sees an empty struct
		same(t, &kitchen.Shape{Circle: new(1.0)})(c.Shape(ctx, &kitchen.Shape{Circle: new(1.0)}))
		same(t, &kitchen.Node{Next: &kitchen.Node{Value: 2}})(c.Node(ctx, &kitchen.Node{Next: &kitchen.Node{Value: 2}}))
		same(t, &kitchen.Later{X: 12})(c.Typedefs(ctx, 1, []int64{7}, &kitchen.Later{X: 10}))
		same(t, "async")(c.TextAsync(ctx, "async").Wait(ctx))

		// An exception as argument, as result and as what it is for.
		same(t, &shared.NotFound{Key: shared.Key{Name: "result"}})(c.Exceptional(ctx, &services.Busy{RetryAfterMs: 1}))
		_, err = c.Exceptional(ctx, nil)
		var missing *shared.NotFound
		if !errors.As(err, &missing) || missing.Key.Name != "missing" {
			t.Errorf("declared exception came as %v", err)
		}
	}
}

// callsServer implements services.Calls and remembers.
type callsServer struct {
	services.Calls // the methods that the test does not call
	notified       string
	later          *kitchen.Later
}

func failure(how int32) error {
	switch how {
	case 1:
		return &services.Busy{RetryAfterMs: 7}
	case 2:
		return fmt.Errorf("wrapped: %w", &services.Gone{Reason: "moved"})
	case 3:
		return errors.New("undeclared")
	case 4:
		return rpc.NewError(rpc.NotFound, "coded")
	case 5:
		return (*services.Busy)(nil) // a mistake that must not look like success
	}
	return nil
}

func (s *callsServer) Fail(_ context.Context, how int32) (int32, error) { return how, failure(how) }
func (s *callsServer) FailVoid(_ context.Context, how int32) error      { return failure(how) }
func (s *callsServer) FailStruct(_ context.Context, how int32) (*kitchen.Later, error) {
	return nil, failure(how)
}
func (s *callsServer) Notify(_ context.Context, what string, later *kitchen.Later) error {
	s.notified, s.later = what, later
	return nil
}
func (s *callsServer) Defaults(_ context.Context, n int32, tags []string, d *kitchen.WithDefault, later *kitchen.Later) (string, error) {
	return fmt.Sprint(n, tags, *d, *later), nil
}
func (s *callsServer) Sparse(_ context.Context, a, b, c int32) error {
	if a != 1 || b != 2 || c != 3 {
		return fmt.Errorf("sparse(%d, %d, %d)", a, b, c)
	}
	return nil
}

func newCalls(t *testing.T, enc codec.Encoding) (*services.CallsClient, *loopback, *callsServer) {
	t.Helper()
	server := &callsServer{}
	caller, err := newLoopback(enc, services.NewCallsService(server))
	if err != nil {
		t.Fatal(err)
	}
	return services.NewCallsClient(caller), caller, server
}

func TestErrors(t *testing.T) {
	ctx := t.Context()
	for _, enc := range encodings {
		c, _, _ := newCalls(t, enc)
		var busy *services.Busy
		var gone *services.Gone
		if _, err := c.Fail(ctx, 1); !errors.As(err, &busy) || busy.RetryAfterMs != 7 {
			t.Errorf("declared exception came as %v", err)
		}
		if _, err := c.FailAsync(ctx, 2).Wait(ctx); !errors.As(err, &gone) || gone.Reason != "moved" {
			t.Errorf("wrapped exception came as %v", err)
		}
		if err := c.FailVoid(ctx, 1); !errors.As(err, &busy) {
			t.Errorf("void method: %v", err)
		}
		if err := c.FailVoidAsync(ctx, 1).Wait(ctx); !errors.As(err, &busy) {
			t.Errorf("void method: %v", err)
		}
		for _, how := range []int32{2, 3} { // not declared by this method, or not at all
			if err := c.FailVoid(ctx, how); rpc.CodeOf(err) != rpc.Unknown {
				t.Errorf("undeclared error %d came as %v", how, err)
			}
		}
		if _, err := c.Fail(ctx, 4); rpc.CodeOf(err) != rpc.NotFound {
			t.Errorf("coded error came as %v", err)
		}
		if n, err := c.Fail(ctx, 0); n != 0 || err != nil {
			t.Errorf("success came as %d, %v", n, err)
		}
		if err := c.FailVoid(ctx, 0); err != nil {
			t.Error(err)
		}
		_, err := c.FailStruct(ctx, 0)
		if rpc.CodeOf(err) != rpc.Internal || !containsText(err, "Calls.failStruct returned no result") {
			t.Errorf("a nil result came as %v", err)
		}
	}
}

// TestTypedNil: a handler that returns a nil exception as its error has failed, and that is what its caller hears.
func TestTypedNil(t *testing.T) {
	h := services.NewCallsService(&callsServer{}).Handlers[0]
	params := h.NewArgs()
	decode(t, codec.Binary, []byte{8, 0, 1, 0, 0, 0, 5, 0}, params)
	if result, err := h.Invoke(t.Context(), params); result != nil || err == nil {
		t.Errorf("result %v, error set: %t", result, err != nil)
	}
}

// TestMissingResult: replies without a result, as a peer with other exceptions sends them.
func TestMissingResult(t *testing.T) {
	ctx := t.Context()
	c, caller, _ := newCalls(t, codec.Binary)
	caller.answer = []byte{12, 0, 9, 0, 0} // field 9, a struct without fields
	_, err := c.Fail(ctx, 0)
	var e *rpc.Error
	if !errors.As(err, &e) || e.Code != rpc.Internal || e.Method != "Calls.fail" || e.Execution != rpc.Executed {
		t.Errorf("error %#v", err)
	}
	if _, err := c.FailStruct(ctx, 1); rpc.CodeOf(err) != rpc.Internal {
		t.Errorf("error %v", err)
	}
	if err := c.FailVoid(ctx, 0); err != nil {
		t.Errorf("a void method needs no result: %v", err)
	}
}

func TestOneway(t *testing.T) {
	ctx := t.Context()
	c, caller, server := newCalls(t, codec.Compact)
	if err := c.Notify(ctx, "first", nil); err != nil || server.notified != "first" || server.later == nil {
		t.Errorf("%v, %q, %v", err, server.notified, server.later)
	}
	call := c.NotifyAsync(ctx, "second", &kitchen.Later{X: 2})
	<-call.Done()
	if err := call.Wait(ctx); err != nil || server.notified != "second" || server.later.X != 2 {
		t.Errorf("%v, %q, %v", err, server.notified, server.later)
	}
	if !caller.last.Oneway {
		t.Error("the method is not oneway")
	}
}

// TestArgumentDefaults: an absent argument has its default, an absent struct is an empty one with its own defaults.
func TestArgumentDefaults(t *testing.T) {
	ctx := t.Context()
	c, _, server := newCalls(t, codec.Binary)
	got, err := c.Defaults(ctx, 1, nil, nil, &kitchen.Later{X: 5})
	if want := `1 [] WithDefault{level: 3, tags: ["t"]} Later{x: 5}`; got != want || err != nil {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := c.Defaults(ctx, 1, nil, nil, nil); codec.KindOf(err) != codec.FieldMissing {
		t.Errorf("a required argument was left out: %v", err)
	}
	if err := c.Sparse(ctx, 1, 2, 3); err != nil {
		t.Error(err)
	}
	for _, h := range services.NewCallsService(server).Handlers {
		if h.Method.Name != "defaults" {
			continue
		}
		params := h.NewArgs()
		if err := tryDecode(codec.Binary, []byte{0}, params); codec.KindOf(err) != codec.FieldMissing {
			t.Errorf("a required argument did not come: %v", err)
		}
		params = h.NewArgs()
		decode(t, codec.Binary, []byte{12, 0, 4, 0, 0}, params)
		if _, err := h.Invoke(ctx, params); err != nil {
			t.Error(err)
		}
	}
}

func TestMethodHints(t *testing.T) {
	hints := map[string]rpc.Method{}
	for _, h := range services.NewCallsService(&callsServer{}).Handlers {
		hints[h.Method.Name] = *h.Method
	}
	want := rpc.Method{
		Service: "Calls", Name: "hints", FullName: "Calls.hints", Retry: rpc.RetryAtMostOnce,
		Timeout: 1500 * time.Millisecond, Priority: rpc.PriorityLow, Compress: rpc.CompressSnappy,
	}
	if diff := cmp.Diff(want, hints["hints"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	more := hints["moreHints"]
	if more.Retry != rpc.RetryNever || more.Timeout != 2*time.Hour || more.Compress != rpc.CompressNone {
		t.Errorf("%+v", more)
	}
	if diff := cmp.Diff(rpc.Method{Service: "Calls", Name: "fail", FullName: "Calls.fail"}, hints["fail"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// heir implements a service that inherits across packages.
type heir struct{ shared.Health }

func (heir) Healthy(context.Context) (bool, error)                           { return true, nil }
func (heir) Middle(_ context.Context, v string) (string, error)              { return v, &services.Gone{Reason: v} }
func (heir) Own(_ context.Context, v *kitchen.Later) (*kitchen.Later, error) { return v, nil }

func TestInheritance(t *testing.T) {
	ctx := t.Context()
	service := services.NewDerivedService(heir{})
	if diff := cmp.Diff([]string{"Middle", "Health"}, service.Ancestors); diff != "" {
		t.Errorf("ancestors (-want +got):\n%s", diff)
	}
	caller, err := newLoopback(codec.Binary, service)
	if err != nil {
		t.Fatal(err)
	}
	derived := services.NewDerivedClient(caller)
	same(t, true)(derived.Healthy(ctx))
	if caller.last.FullName != "Derived.healthy" || caller.last.Priority != rpc.PriorityHigh {
		t.Errorf("called %+v", caller.last)
	}
	var gone *services.Gone
	if _, err := derived.Middle(ctx, "why"); !errors.As(err, &gone) || gone.Reason != "why" {
		t.Errorf("error %v", err)
	}
	same(t, &kitchen.Later{X: 1})(derived.Own(ctx, &kitchen.Later{X: 1}))

	// A client of the ancestor finds the heir, and the heir's client is an ancestor's implementation.
	same(t, true)(shared.NewHealthClient(caller).Healthy(ctx))
	var _ shared.Health = derived
	if len(services.NewBareService(struct{}{}).Handlers) != 0 {
		t.Error("a service without functions has handlers")
	}
}

// TestVersionsOfServices: arguments and exceptions that one side does not know.
func TestVersionsOfServices(t *testing.T) {
	ctx := t.Context()
	for _, enc := range encodings {
		newServer, err := newLoopback(enc, after.NewDirectoryService(newDirectory{}))
		if err != nil {
			t.Fatal(err)
		}
		oldClient := before.NewDirectoryClient(newServer)
		same(t, "x up to 10")(oldClient.Find(ctx, "x"))
		_, err = oldClient.Update(ctx, &before.Person{Name: "locked", Contact: before.Contact{Mail: new("m")}})
		if rpc.CodeOf(err) != rpc.Internal || !containsText(err, "neither a result nor a known exception") {
			t.Errorf("an exception that the old client does not know came as %v", err)
		}
		_, err = oldClient.Update(ctx, &before.Person{Name: "denied", Contact: before.Contact{Mail: new("m")}})
		var denied *before.Denied
		if !errors.As(err, &denied) || denied.Why != "false 0" {
			t.Errorf("error %v", err)
		}

		oldServer, err := newLoopback(enc, before.NewDirectoryService(oldDirectory{}))
		if err != nil {
			t.Fatal(err)
		}
		newClient := after.NewDirectoryClient(oldServer)
		same(t, "old x")(newClient.Find(ctx, "x", 99))
		if err := newClient.Removed(ctx); rpc.CodeOf(err) != rpc.Unimplemented {
			t.Errorf("a method that the old server does not have: %v", err)
		}
	}
}

type newDirectory struct{ after.Directory }

func (newDirectory) Find(_ context.Context, name string, limit int32) (string, error) {
	return fmt.Sprintf("%s up to %d", name, limit), nil
}

func (newDirectory) Update(_ context.Context, p *after.Person, dryRun bool, options *after.Inner) (*after.Person, error) {
	if *p.FullName == "locked" {
		return nil, &after.Locked{By: "me"}
	}
	return nil, &after.Denied{Why: fmt.Sprint(dryRun, " ", options.A), Code: 1}
}

type oldDirectory struct{ before.Directory }

func (oldDirectory) Find(_ context.Context, name string) (string, error) { return "old " + name, nil }
