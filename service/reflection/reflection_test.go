package reflection_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/service/health"
	"github.com/kuafu-rpc/kuafu/service/reflection"
)

// serve runs a server with health, reflection and more until the test ends, and returns a client of its reflection.
func serve(t *testing.T, more ...*rpc.Service) *reflection.ReflectionClient {
	t.Helper()
	srv := server.New()
	all := append([]*rpc.Service{health.NewService(new(health.Reporter)), reflection.NewService(srv)}, more...)
	if err := srv.Register(all...); err != nil {
		t.Fatal(err)
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	conn, err := client.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		srv.Close()
		<-served
	})
	return reflection.NewReflectionClient(conn)
}

func TestServices(t *testing.T) {
	c := serve(t)
	names, err := c.ListServices(t.Context())
	if diff := cmp.Diff([]string{"Health", "Reflection"}, names); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	got, err := c.GetService(t.Context(), "Health")
	want := &reflection.ServiceInfo{
		Name: "Health", Ancestors: []string{}, File: "github.com/kuafu-rpc/kuafu/service/health/health.idl",
		Methods: []reflection.MethodInfo{
			{Name: "check", Annotations: map[string]string{"retry": "idempotent", "priority": "high"}},
			{Name: "watch", Annotations: map[string]string{}},
			{Name: "ping", Annotations: map[string]string{"retry": "idempotent", "priority": "high"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestText: the text is the file's, byte by byte.
func TestText(t *testing.T) {
	c := serve(t)
	want, err := os.ReadFile("../health/health.idl")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetIDL(t.Context(), health.HealthIDL.Path); err != nil || got != string(want) {
		t.Errorf("%v\n%s", err, cmp.Diff(string(want), got))
	}
}

func TestNotFound(t *testing.T) {
	bare := &rpc.Service{Name: "Bare"}
	silent := &rpc.Service{Name: "Silent", File: &rpc.IDLFile{Path: "x/silent.idl"}}
	broken := &rpc.Service{Name: "Broken", File: &rpc.IDLFile{Path: "x/broken.idl", Source: "service Broken {"}}
	c := serve(t, bare, silent, broken)
	ctx := t.Context()
	for call, f := range map[string]func() error{
		"GetService":       func() error { _, err := c.GetService(ctx, "Nobody"); return err },
		"GetIDL":           func() error { _, err := c.GetIDL(ctx, "health.idl"); return err },
		"GetIDL, left out": func() error { _, err := c.GetIDL(ctx, "x/silent.idl"); return err },
		"GetFiles":         func() error { _, err := c.GetFiles(ctx, "Nobody"); return err },
		"GetFiles, bare":   func() error { _, err := c.GetFiles(ctx, "Bare"); return err },
		"GetAST":           func() error { _, err := c.GetAST(ctx, "Nobody"); return err },
		"GetAST, silent":   func() error { _, err := c.GetAST(ctx, "Silent"); return err },
	} {
		if err := f(); err == nil || rpc.CodeOf(err) != rpc.NotFound {
			t.Errorf("%s: %v", call, err)
		}
	}
	if _, err := c.GetAST(ctx, "Broken"); err == nil || rpc.CodeOf(err) != rpc.Internal {
		t.Errorf("a broken file: %v", err)
	}
	if info, err := c.GetService(ctx, "Bare"); err != nil || info.File != "" || len(info.Methods) != 0 {
		t.Errorf("a service without methods or file: %v, %v", info, err)
	}
}

// TestFiles: includes come first and once, though generated code may hold copies, and Load resolves each include line
// by its file's list: two files of one base name, and a path that leads nowhere here, do not matter.
func TestFiles(t *testing.T) {
	base := func() *rpc.IDLFile {
		return &rpc.IDLFile{Path: "m/x/types.idl", Source: "struct T { 1: i32 n }"}
	}
	other := &rpc.IDLFile{Path: "m/y/types.idl", Source: "include \"../../far/x/types.idl\"\nstruct U { 7: types.T t }",
		Includes: []*rpc.IDLFile{base()}}
	top := &rpc.IDLFile{Path: "m/top.idl", Source: "include \"y/types.idl\"\ninclude \"mid.idl\"\nservice Top { types.U get(1: mid.M m) }",
		Includes: []*rpc.IDLFile{other, {Path: "m/mid.idl", Source: "include \"/abs/types.idl\"\ntypedef types.T M",
			Includes: []*rpc.IDLFile{base()}}}}
	c := serve(t, &rpc.Service{Name: "Top", File: top})
	files, err := c.GetFiles(t.Context(), "Top")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	if diff := cmp.Diff([]string{"m/x/types.idl", "m/y/types.idl", "m/mid.idl", "m/top.idl"}, paths); diff != "" {
		t.Error(diff)
	}
	prog, diags := reflection.Load(files, schema.Options{})
	for _, d := range diags {
		if d.Severity == idl.Error {
			t.Fatal(d)
		}
	}
	get := prog.Roots[0].Services[0].Functions[0]
	if len(prog.Roots) != 1 || get.Result.Struct.Fields[0].Type.Struct.Fields[0].Name != "n" {
		t.Errorf("%d roots, %v", len(prog.Roots), get)
	}
	all, err := c.GetFiles(t.Context(), "")
	if err != nil || len(all) != 6 {
		t.Errorf("%d files of all services, %v", len(all), err)
	}
	text, err := c.GetAST(t.Context(), "")
	if err != nil || !strings.Contains(text, `"name":"Reflection"`) || !strings.Contains(text, `"name":"Top"`) {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestAST(t *testing.T) {
	c := serve(t)
	var first string
	for range 2 {
		text, err := c.GetAST(t.Context(), "Health")
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = text
		}
		if text != first {
			t.Error("the second answer differs")
		}
	}
	var program struct {
		Files []struct {
			Services []struct {
				Functions []struct {
					Name string
					Args []struct {
						ID   int
						Name string
						Type struct{ Kind string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(first), &program); err != nil {
		t.Fatal(err)
	}
	check := program.Files[0].Services[0].Functions[0]
	if check.Name != "check" || check.Args[0].ID != 1 || check.Args[0].Name != "service" || check.Args[0].Type.Kind != "string" {
		t.Errorf("%+v", check)
	}
}
