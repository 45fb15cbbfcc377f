package rpc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Registry finds handlers by name. Build it before serving; look-ups may then run concurrently.
type Registry struct {
	full  map[string]*Handler // "Echo.echo"
	plain map[string]*Handler // "echo"; nil where several services have one
	spare map[string]*Handler // likewise, of auxiliary services; looked at where plain has no such name
	names map[string]bool     // registered service names; false for an ancestor's that a registration may still take

	services []*Service
}

// Register adds the handlers of s. It fails on a second service of one name, and on a service without a name or with
// two handlers of one name.
func (r *Registry) Register(s *Service) error {
	if s == nil || s.Name == "" {
		return errors.New("rpc: a service needs a name")
	}
	if r.names[s.Name] {
		return fmt.Errorf("rpc: a service named %s is registered already", s.Name)
	}
	seen := make(map[string]bool, len(s.Handlers))
	for i := range s.Handlers {
		h := &s.Handlers[i]
		if h.Method == nil || h.NewArgs == nil || (h.Invoke == nil) == (h.Open == nil) || (h.Open == nil) != (h.Method.Stream == StreamNone) {
			return fmt.Errorf("rpc: service %s: handler %d is incomplete", s.Name, i)
		}
		if seen[h.Method.Name] {
			return fmt.Errorf("rpc: service %s: two handlers for %s", s.Name, h.Method.Name)
		}
		seen[h.Method.Name] = true
	}
	if r.full == nil {
		r.full = make(map[string]*Handler)
		r.plain = make(map[string]*Handler)
		r.spare = make(map[string]*Handler)
		r.names = make(map[string]bool)
	}
	if _, ancestor := r.names[s.Name]; ancestor { // the real one displaces what stood in for it
		prefix := s.Name + "."
		for name := range r.full {
			if strings.HasPrefix(name, prefix) {
				delete(r.full, name)
			}
		}
	}
	r.names[s.Name] = true
	r.add(s.Name, s)
	for _, a := range s.Ancestors {
		if _, taken := r.names[a]; !taken {
			r.names[a] = false
			r.add(a, s)
		}
	}
	plain := r.plain
	if s.Auxiliary {
		plain = r.spare
	}
	for i := range s.Handlers {
		h := &s.Handlers[i]
		if _, taken := plain[h.Method.Name]; taken {
			h = nil
		}
		plain[s.Handlers[i].Method.Name] = h
	}
	r.services = append(r.services, s)
	return nil
}

// Services returns the registered services in the order of their registration. They are not to be changed.
func (r *Registry) Services() []*Service { return slices.Clone(r.services) }

func (r *Registry) add(name string, s *Service) {
	for i := range s.Handlers {
		h := &s.Handlers[i]
		r.full[name+"."+h.Method.Name] = h
	}
}

// Lookup returns the handler of a canonical name, "Echo.echo"; nil if there is none. It does not allocate.
func (r *Registry) Lookup(name []byte) *Handler { return r.full[string(name)] }

// LookupThrift returns the handler for the name in a Thrift envelope: "echo", which only one registered service may
// have, auxiliary ones not counted if there is another, or the multiplexed "Echo:echo". The error says what is wrong
// with the name.
func (r *Registry) LookupThrift(name string) (*Handler, error) {
	if service, method, ok := strings.Cut(name, ":"); ok {
		// The service counts as a whole: "a:b.c" is not the method c of a service a.b.
		if _, known := r.names[service]; known {
			if h := r.full[service+"."+method]; h != nil {
				return h, nil
			}
		}
		return nil, fmt.Errorf("no method %s in a service %s", method, service)
	}
	h, ok := r.plain[name]
	if !ok {
		h, ok = r.spare[name]
	}
	switch {
	case h != nil:
		return h, nil
	case ok:
		return nil, fmt.Errorf("several services have a method %s: call it as Service:%s", name, name)
	}
	return nil, fmt.Errorf("no method %s", name)
}

// Explain returns why Lookup does not know a name.
func (r *Registry) Explain(name []byte) string {
	service, method, ok := strings.Cut(string(name), ".")
	if _, known := r.names[service]; ok && known {
		return fmt.Sprintf("service %s has no method %q", service, method)
	}
	return fmt.Sprintf("no service for %q", name)
}
