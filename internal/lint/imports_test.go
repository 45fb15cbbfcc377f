package lint

import (
	"slices"
	"strings"
	"testing"
)

// allowed says, for every package or tree of packages, what of this module it may import besides its own tree. A path
// ending in /... stands for the tree. The longest matching key counts. Tests may import more: they look at a package
// from above.
var allowed = map[string][]string{
	"idl":                       {},
	"idl/schema":                {"idl"},
	"idl/schemajson":            {"idl", "idl/schema"},
	"gen":                       {"idl", "idl/schema"},
	"gen/internal":              {"runtime/codec", "runtime/rpc"}, // generated code
	"cmd/rpcgen":                {"idl", "idl/schema", "gen"},
	"cmd/kuafu":                 {"idl", "idl/schema", "idl/schemajson", "dynamic", "service/...", "runtime/..."},
	"dynamic":                   {"idl", "idl/schema", "runtime/codec"},
	"dynamic/internal":          {"runtime/codec", "runtime/rpc"}, // generated code
	"service/health":            {"runtime/codec", "runtime/rpc"},
	"service/reflection":        {"idl", "idl/schema", "idl/schemajson", "runtime/codec", "runtime/rpc"},
	"internal/lint":             {},
	"examples":                  {"runtime/...", "service/...", "examples/..."},
	"internal/faults":           {}, // tests only
	"internal/testpki":          {}, // for tests
	"runtime/auth":              {"runtime/codec", "runtime/rpc"},
	"runtime/codec":             {},
	"runtime/compress":          {},
	"runtime/rpc":               {"runtime/codec", "runtime/internal/buffer"},
	"runtime/internal/buffer":   {},
	"runtime/internal/pacing":   {},
	"runtime/internal/busypoll": {},
	"runtime/internal/nonblock": {},
	"runtime/flow":              {},
	"runtime/wire":              {"runtime/codec", "runtime/compress", "runtime/flow", "runtime/rpc"},
	"runtime/wire/thrift":       {"runtime/codec", "runtime/compress", "runtime/rpc", "runtime/wire"},
	"runtime/observe":           {"runtime/codec", "runtime/rpc"},
	"runtime/observe/admin":     {"runtime/observe"},
	"runtime/listener":          {"runtime/internal/nonblock", "runtime/internal/pacing", "runtime/rpc"},
	"runtime/reader":            {"runtime/codec", "runtime/flow", "runtime/internal/buffer", "runtime/internal/stream", "runtime/rpc", "runtime/wire", "runtime/wire/thrift"},
	"runtime/handler":           {"runtime/codec", "runtime/internal/busypoll", "runtime/rpc"},
	"runtime/responder":         {"runtime/codec", "runtime/observe", "runtime/rpc"},
	"runtime/internal/stream":   {"runtime/flow", "runtime/internal/buffer", "runtime/rpc", "runtime/wire"},
	"runtime/server":            {"runtime/..."},
	"runtime/rpctest":           {"runtime/handler", "runtime/reader", "runtime/responder", "runtime/rpc", "runtime/wire"},
	"runtime/client":            {"runtime/auth", "runtime/codec", "runtime/compress", "runtime/flow", "runtime/internal/buffer", "runtime/internal/busypoll", "runtime/internal/nonblock", "runtime/internal/pacing", "runtime/internal/stream", "runtime/observe", "runtime/rpc", "runtime/wire", "runtime/wire/thrift"},
}

// never are imports that no listed tree may have, though allowed would let them pass.
var never = map[string][]string{
	"runtime/server": {"runtime/client"},
}

// outside says which packages alone may import a module of somebody else.
var outside = map[string][]string{
	"github.com/panjf2000/gnet/v2":        {"runtime/listener"},
	"github.com/golang/snappy":            {"runtime/compress", "runtime/wire/thrift"},
	"github.com/alecthomas/participle/v2": {"idl"},
	"golang.org/x/sys":                    {"runtime/listener", "runtime/client", "runtime/internal/nonblock", "runtime/internal/pacing", "cmd/kuafu"},
	"github.com/google/go-cmp":            {}, // tests only
	"github.com/spf13/cobra":              {"cmd/kuafu"},
}

func TestImportDirection(t *testing.T) {
	for _, p := range packages(t) {
		tree, rules := rulesFor(p.rel())
		if tree == "" {
			t.Errorf("%s is in no tree of the table of allowed imports", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if rel, ok := strings.CutPrefix(imp, module+"/"); ok {
				if within(rel, tree) || slices.ContainsFunc(rules, func(r string) bool { return matches(rel, r) }) {
					if !slices.Contains(never[tree], rel) {
						continue
					}
				}
				t.Errorf("%s imports %s, which is not below it", p.rel(), rel)
				continue
			}
			if strings.Contains(strings.Split(imp, "/")[0], ".") {
				checkOutside(t, p.rel(), imp)
			}
		}
	}
}

func checkOutside(t *testing.T, pkg, imp string) {
	t.Helper()
	for mod, users := range outside {
		if within(imp, mod) {
			if !slices.Contains(users, pkg) {
				t.Errorf("%s imports %s, which only %v may", pkg, imp, users)
			}
			return
		}
	}
	t.Errorf("%s imports %s, which is no known dependency: see docs/dependencies.md", pkg, imp)
}

func rulesFor(pkg string) (tree string, rules []string) {
	for key, r := range allowed {
		if within(pkg, key) && len(key) > len(tree) {
			tree, rules = key, r
		}
	}
	return tree, rules
}

// within reports whether path is tree or below it.
func within(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }

func matches(path, rule string) bool {
	if tree, ok := strings.CutSuffix(rule, "/..."); ok {
		return within(path, tree)
	}
	return path == rule
}

func TestRules(t *testing.T) {
	for path, want := range map[string]string{"runtime/wire/thrift": "runtime/wire/thrift", "runtime/wire": "runtime/wire",
		"idl/schema": "idl/schema", "runtimes": ""} {
		if tree, _ := rulesFor(path); tree != want {
			t.Errorf("%s falls under %q, want %q", path, tree, want)
		}
	}
	if !matches("runtime/rpc", "runtime/...") || matches("runtime/rpc", "runtime") || matches("runtimes", "runtime/...") {
		t.Error("matches is wrong")
	}
}
