package auth

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Options configure how files are watched. The zero value of each field means its default.
type Options struct {
	// Interval is the time between two looks at the files; default 1 s.
	Interval time.Duration

	// Logger is told of files that were read again, and of those that could not be; default slog.Default. It never gets
	// what is in them.
	Logger *slog.Logger
}

// maxFile bounds the size of one file.
const maxFile = 16 << 20

// files is a group of files that mean something together. Its content is polled: an editor, a certificate manager and
// a mounted volume replace files in ways for which no system has one notification.
type files struct {
	what  string // for logs
	paths []string
	take  func(contents [][]byte) error // makes the contents those in force, or says what is wrong with them
	log   *slog.Logger

	loaded   [sha256.Size]byte // of the contents in force
	reported string            // the last error logged; "" if the last look found nothing wrong

	quit chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

// watch reads the files, hands their contents to take, and does so again whenever they have changed, until close. What
// take refuses leaves the old contents in force, and is tried again at the next look, since files may be replaced one by
// one. take is not called concurrently.
func watch(what string, paths []string, opts Options, take func(contents [][]byte) error) (*files, error) {
	if opts.Interval < 0 {
		return nil, fmt.Errorf("auth: an interval of %v", opts.Interval)
	}
	if opts.Interval == 0 {
		opts.Interval = time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	f := &files{what: what, paths: paths, take: take, log: opts.Logger, quit: make(chan struct{})}
	if _, err := f.look(); err != nil {
		return nil, fmt.Errorf("auth: %s: %w", what, err)
	}
	f.wg.Go(func() { f.poll(opts.Interval) })
	return f, nil
}

func (f *files) close() {
	f.once.Do(func() { close(f.quit) })
	f.wg.Wait()
}

func (f *files) poll(interval time.Duration) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-f.quit:
			return
		case <-t.C:
		}
		changed, err := f.look()
		switch {
		case err != nil:
			if text := err.Error(); text != f.reported {
				f.reported = text
				f.log.Error("auth: the new "+f.what+" are not usable, the old ones stay in force", "files", f.paths, "error", err)
			}
		case changed:
			f.log.Info("auth: the "+f.what+" were read again", "files", f.paths)
			f.reported = ""
		default:
			f.reported = "" // changed back
		}
	}
}

// look reads the files and has new contents taken.
func (f *files) look() (changed bool, err error) {
	contents := make([][]byte, len(f.paths))
	all := sha256.New()
	for i, path := range f.paths {
		if path == "" {
			continue
		}
		if contents[i], err = readFile(path); err != nil {
			return false, err
		}
		one := sha256.Sum256(contents[i])
		all.Write(one[:])
	}
	sum := [sha256.Size]byte(all.Sum(nil))
	if sum == f.loaded {
		return false, nil
	}
	if err := f.take(contents); err != nil {
		return false, err
	}
	f.loaded = sum
	return true, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return b, err
}
