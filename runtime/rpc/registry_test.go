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
