package schema

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// FS is where source files come from. ReadFile returns a file's whole content, which Load keeps and does not change.
// An error that is fs.ErrNotExist makes the search for an include go on in the next directory; any other error ends it.
// Load calls it from one goroutine.
//
// An FS in which one file has several names may also have the method Canonical(path string) string, which returns one
// name for all of them. An FS that knows what each include stands for may have the method Resolve(from, path string)
// string: it returns the file that the file called from means by include "path", and nothing else is searched.
type FS interface {
	ReadFile(path string) ([]byte, error)
}

// OS reads from the operating system's file system.
type OS struct{}

// errNotRegular keeps Load from waiting on a pipe or reading a device without end.
var errNotRegular = errors.New("not a regular file")

// ReadFile reads a regular file. Files over 16 MiB are cut one byte past that, which Load reports.
func (OS) ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fs.ErrNotExist
	case !info.Mode().IsRegular():
		return nil, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileSize+1))
}

// Canonical returns the absolute path without symbolic links, or path itself where that cannot be found out.
func (OS) Canonical(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	abs, err := filepath.Abs(real)
	if err != nil {
		return path
	}
	return abs
}

// MapFS is a file system in memory: cleaned paths and the text behind them.
type MapFS map[string]string

// ReadFile returns the text of a path that is in the map.
func (m MapFS) ReadFile(path string) ([]byte, error) {
	text, ok := m[path]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	}
	return []byte(text), nil
}
