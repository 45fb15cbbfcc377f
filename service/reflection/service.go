package reflection

import (
	"context"
	"errors"
	"sync"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/idl/schemajson"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Catalog is what has services to tell about; *server.Server is one. Services may be called concurrently, and what it
// returns is not changed.
type Catalog interface {
	Services() []*rpc.Service
}

// NewService makes a service that a server can register beside its own; it tells about all of them, itself included:
//
//	err := srv.Register(hello.NewGreeterService(impl), reflection.NewService(srv))
//
// It shows the IDL files, comments included, to every client that may call it. It is auxiliary: a stock Thrift client gets
// it under a plain method name only where no other service has such a method.
func NewService(c Catalog) *rpc.Service {
	s := NewReflectionService(&reflector{catalog: c, asts: make(map[string]*ast)})
	s.Auxiliary = true
	return s
}

// reflector implements Reflection.
type reflector struct {
	catalog Catalog

	mu   sync.Mutex
	asts map[string]*ast // by the name of the service
}

// ast is made once, because making it costs a compilation.
type ast struct {
	once sync.Once
	text string
	err  error
}

func (r *reflector) ListServices(context.Context) ([]string, error) {
	names := []string{}
	for _, s := range r.catalog.Services() {
		names = append(names, s.Name)
	}
	return names, nil
}

// find returns a registered service, or an error for the caller.
func (r *reflector) find(name string) (*rpc.Service, error) {
	for _, s := range r.catalog.Services() {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, rpc.Errorf(rpc.NotFound, "no service %q is registered", name)
}

func (r *reflector) GetService(_ context.Context, name string) (*ServiceInfo, error) {
	s, err := r.find(name)
	if err != nil {
		return nil, err
	}
	info := &ServiceInfo{Name: s.Name, Ancestors: s.Ancestors}
	if s.File != nil {
		info.File = s.File.Path
	}
	for _, h := range s.Handlers {
		info.Methods = append(info.Methods, MethodInfo{
			Name: h.Method.Name, Oneway: h.Method.Oneway, Annotations: annotations(h.Method),
		})
	}
	return info, nil
}

// annotations says what the runtime heeds of a method's annotations, as the IDL spells it.
func annotations(m *rpc.Method) map[string]string {
	all := make(map[string]string)
	switch m.Retry {
	case rpc.RetryNever:
		all["retry"] = "never"
	case rpc.RetryIdempotent:
		all["retry"] = "idempotent"
	case rpc.RetryAtMostOnce:
		all["retry"] = "at_most_once"
	}
	if m.Timeout > 0 {
		all["timeout"] = m.Timeout.String()
	}
	switch m.Priority {
	case rpc.PriorityHigh:
		all["priority"] = "high"
	case rpc.PriorityLow:
		all["priority"] = "low"
	}
	switch m.Compress {
	case rpc.CompressSnappy:
		all["compress"] = "snappy"
	case rpc.CompressNone:
		all["compress"] = "none"
	}
	return all
}

func (r *reflector) GetIDL(_ context.Context, path string) (string, error) {
	for _, f := range r.files(r.catalog.Services()) {
		if f.Path == path {
			if f.Source == "" {
				return "", rpc.Errorf(rpc.NotFound, "the text of %q was left out of the server", path)
			}
			return f.Source, nil
		}
	}
	return "", rpc.Errorf(rpc.NotFound, "no IDL file %q", path)
}

func (r *reflector) GetFiles(_ context.Context, service string) ([]FileInfo, error) {
	services := r.catalog.Services()
	if service != "" {
		s, err := r.find(service)
		if err != nil {
			return nil, err
		}
		if s.File == nil {
			return nil, rpc.Errorf(rpc.NotFound, "the server does not know the IDL of %s", service)
		}
		services = []*rpc.Service{s}
	}
	infos := []FileInfo{}
	for _, f := range r.files(services) {
		info := FileInfo{Path: f.Path, Text: f.Source}
		for _, inc := range f.Includes {
			info.Includes = append(info.Includes, inc.Path)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// files returns the files of services and all that they include, includes first, each once. Copies of one file, which
// generated code may hold, have one path.
func (r *reflector) files(services []*rpc.Service) []*rpc.IDLFile {
	var all []*rpc.IDLFile
	seen := make(map[string]bool)
	var visit func(f *rpc.IDLFile)
	visit = func(f *rpc.IDLFile) {
		if seen[f.Path] {
			return
		}
		seen[f.Path] = true
		for _, inc := range f.Includes {
			visit(inc)
		}
		all = append(all, f)
	}
	for _, s := range services {
		if s.File != nil {
			visit(s.File)
		}
	}
	return all
}

func (r *reflector) GetAST(ctx context.Context, service string) (string, error) {
	files, err := r.GetFiles(ctx, service)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	a := r.asts[service] // of a registered service or of all, so there are not many
	if a == nil {
		a = new(ast)
		r.asts[service] = a
	}
	r.mu.Unlock()
	a.once.Do(func() { a.text, a.err = link(files) })
	return a.text, a.err
}

// link compiles files and returns the program as JSON.
func link(files []FileInfo) (string, error) {
	if n := len(files); n > 0 && files[n-1].Text == "" {
		return "", rpc.Errorf(rpc.NotFound, "the text of %q was left out of the server", files[n-1].Path)
	}
	prog, diags := Load(files, schema.Options{})
	for _, d := range diags {
		if d.Severity == idl.Error {
			return "", rpc.Errorf(rpc.Internal, "the server's IDL does not compile: %w", errors.New(d.Message))
		}
	}
	text, err := schemajson.Marshal(prog)
	if err != nil {
		return "", rpc.Errorf(rpc.Internal, "the server's IDL cannot be written as JSON: %w", err)
	}
	return string(text), nil
}
