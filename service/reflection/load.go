package reflection

import (
	"io/fs"
	"path"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// Load links files as GetFiles returns them; the last one is the root, and so is every other that the rest does not
// include. The files may come from a server that is not trusted: package schema bounds what they can ask for. The
// diagnostics say what is wrong with them, as those of schema.Load do.
func Load(files []FileInfo, opts schema.Options) (*schema.Program, []*idl.Diagnostic) {
	sources := make(fileSystem, len(files))
	included := make(map[string]bool)
	for i := range files {
		sources[path.Clean(files[i].Path)] = &files[i]
		for _, inc := range files[i].Includes {
			included[path.Clean(inc)] = true
		}
	}
	var roots []string
	for i := range files {
		if p := path.Clean(files[i].Path); !included[p] || i == len(files)-1 {
			roots = append(roots, p)
		}
	}
	opts.FS = sources
	return schema.Load(opts, roots...)
}

// fileSystem is a schema.FS in which paths are names: what an include means was settled when the code was generated.
type fileSystem map[string]*FileInfo

func (m fileSystem) ReadFile(name string) ([]byte, error) {
	f := m[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return []byte(f.Text), nil
}

// Resolve returns the included file whose base name an include line has.
func (m fileSystem) Resolve(from, include string) string {
	if f := m[from]; f != nil {
		for _, inc := range f.Includes {
			if path.Base(inc) == path.Base(include) {
				return path.Clean(inc)
			}
		}
	}
	return include
}
