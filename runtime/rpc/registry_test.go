package rpc

import (
	"context"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// service makes a service whose handlers do nothing.
func service(name string, ancestors []string, methods ...string) *Service {
	s := &Service{Name: name, Ancestors: ancestors}
	for _, m := range methods {
		s.Handlers = append(s.Handlers, Handler{
			Method:  &Method{Service: name, Name: m, FullName: name + "." + m},
			NewArgs: func() codec.Decodable { return nil },
			Invoke:  func(context.Context, codec.Decodable) (codec.Encodable, error) { return nil, nil },
		})
	}
	return s
}

func registry(t *testing.T, services ...*Service) *Registry {
	t.Helper()
	var r Registry
	for _, s := range services {
		if err := r.Register(s); err != nil {
			t.Fatal(err)
		}
	}
	return &r
}

func TestLookup(t *testing.T) {
	echo := service("Echo", nil, "echo", "ping")
	sub := service("SubEcho", []string{"MidEcho", "Echo"}, "echo", "ping", "shout")
	clock := service("Clock", nil, "now", "ping")
	for _, order := range [][]*Service{{echo, sub, clock}, {sub, echo, clock}, {clock, sub, echo}} {
		r := registry(t, order...)
		for name, want := range map[string]string{
			"Echo.echo":     "Echo.echo",
			"SubEcho.shout": "SubEcho.shout",
			"MidEcho.echo":  "SubEcho.echo", // the name of an ancestor that is not registered itself
			"Clock.ping":    "Clock.ping",
			"Echo.shout":    "",
			"Echo":          "",
			"echo":          "",
			"":              "",
			"Echo.":         "",
		} {
			got := ""
			if h := r.Lookup([]byte(name)); h != nil {
				got = h.Method.FullName
			}
			if got != want {
				t.Errorf("%s: %q is %q, want %q", order[0].Name, name, got, want)
			}
		}
		for name, want := range map[string]string{"now": "Clock.now", "shout": "SubEcho.shout", "Echo:ping": "Echo.ping", "MidEcho:ping": "SubEcho.ping"} {
			h, err := r.LookupThrift(name)
			if err != nil || h.Method.FullName != want {
				t.Errorf("%s: Thrift's %q: %v, %v", order[0].Name, name, h, err)
			}
		}
		for name, want := range map[string]string{"ping": "several services", "walk": "no method", "Echo:shout": "no method shout in a service Echo", ":": "no method", "": "no method"} {
			if h, err := r.LookupThrift(name); h != nil || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Thrift's %q: %v, %v", order[0].Name, name, h, err)
			}
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	r := registry(t, service("Echo", nil, "echo"))
	name := []byte("Echo.echo")
	if n := testing.AllocsPerRun(100, func() { r.Lookup(name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestExplain(t *testing.T) {
	r := registry(t, service("Echo", []string{"Base"}, "echo"))
	for name, want := range map[string]string{
		"Echo.walk": `service Echo has no method "walk"`,
		"Base.walk": `service Base has no method "walk"`,
		"Eco.echo":  `no service for "Eco.echo"`,
		"echo":      `no service for "echo"`,
	} {
		if got := r.Explain([]byte(name)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestRegisterRefuses(t *testing.T) {
	half := service("Half", nil, "a")
	half.Handlers[0].Invoke = nil
	for name, s := range map[string]*Service{
		"nil":        nil,
		"no name":    service("", nil),
		"incomplete": half,
		"twice":      service("Twice", nil, "a", "a"),
		"taken":      service("Echo", nil, "b"),
	} {
		r := registry(t, service("Echo", nil, "echo"))
		if err := r.Register(s); err == nil {
			t.Errorf("%s was registered", name)
		}
		if r.Lookup([]byte("Echo.echo")) == nil {
			t.Errorf("%s did damage", name)
		}
	}
}

// TestAuxiliary: an auxiliary service takes no plain name from another, whichever comes first.
func TestAuxiliary(t *testing.T) {
	echo, health, other := service("Echo", nil, "echo", "ping"), service("Health", nil, "check", "ping"), service("Other", nil, "check")
	health.Auxiliary, other.Auxiliary = true, true
	for _, r := range []*Registry{registry(t, echo, health, other), registry(t, other, health, echo)} {
		for name, want := range map[string]*Handler{
			"ping": &echo.Handlers[1], "Echo:ping": &echo.Handlers[1], "Health:ping": &health.Handlers[1],
			"echo": &echo.Handlers[0], "Other:check": &other.Handlers[0],
		} {
			if h, err := r.LookupThrift(name); h != want || err != nil {
				t.Errorf("%s: %v, %v", name, h, err)
			}
		}
		if h, err := r.LookupThrift("check"); h != nil || err == nil || !strings.Contains(err.Error(), "several services") {
			t.Errorf("check: %v, %v", h, err)
		}
	}
	if h, err := registry(t, health).LookupThrift("ping"); h != &health.Handlers[1] || err != nil {
		t.Errorf("ping alone: %v, %v", h, err)
	}
}

func TestServices(t *testing.T) {
	a, b := service("A", nil, "x"), service("B", nil, "x")
	r := registry(t, b, a)
	got := r.Services()
	if len(got) != 2 || got[0] != b || got[1] != a {
		t.Errorf("%v", got)
	}
	got[0] = nil
	if r.Services()[0] != b {
		t.Error("the registry's own list was handed out")
	}
}

// TestMultiplexedNamesAreWhole has a service whose name has a dot in it.
func TestMultiplexedNamesAreWhole(t *testing.T) {
	var r Registry
	if err := r.Register(&Service{Name: "a.b", Handlers: []Handler{{
		Method:  &Method{Service: "a.b", Name: "c", FullName: "a.b.c"},
		NewArgs: func() codec.Decodable { return nil },
		Invoke:  func(context.Context, codec.Decodable) (codec.Encodable, error) { return nil, nil },
	}}}); err != nil {
		t.Fatal(err)
	}
	if h, err := r.LookupThrift("a.b:c"); h == nil || err != nil {
		t.Errorf("a.b:c: %v", err)
	}
	for _, name := range []string{"a:b.c", ":a.b.c", "a.b.c:", "a.b:", "a.b.c"} {
		if h, err := r.LookupThrift(name); h != nil || err == nil {
			t.Errorf("%s leads to a handler, %v", name, err)
		}
	}
}
