package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// writeFile makes the file at path hold content: at once, so that nobody ever reads half of it, and only if it does not
// hold it yet, so that build tools see no change where there is none.
func writeFile(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	// A fixed mode of 0666 leaves the permissions to the umask; os.CreateTemp would not.
	temp := filepath.Join(dir, "."+filepath.Base(path)+"."+strconv.Itoa(os.Getpid()))
	err := os.WriteFile(temp, content, 0o666)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp) // the first error is the one to tell
	}
	return err
}
