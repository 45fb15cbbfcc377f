package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/handler"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// config is what a server in a process of its own is told.
type config struct {
	Address   string
	Workers   int
	Queue     int
	Journal   string        // path; empty for none
	Persist   bool          // at-most-once calls are restored from the journal
	Brief     bool          // handlers take no time, whatever they are told
	Fair      bool          // a fair queue; callers are told apart by their client ids
	KeepStale bool          // do not refuse queued calls that will hardly be finished in time
	Stall     time.Duration // how long a peer may read nothing; 0 for the default
	Frame     time.Duration // how long a frame may take; 0 for the default
}

// report is what it tells.
type report struct {
	Address string // in the first report
	Begun   int64  // handlers that were started
	Late    int64  // of them, after their deadline
	Busy    int64  // nanoseconds that handlers took
	Heap    int64  // live bytes
	Peak    int64  // the most memory that the process ever had, in bytes; 0 where the system does not tell

	Goroutines int
	Shutdown   string // in the last report after SIGTERM: what went wrong
}

// serve is the main function of a server. It ends with SIGTERM, or when its standard input does: then the test is gone.
func serve(settings string) error {
	var c config
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		return err
	}
	opts := []server.Option{
		server.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))),
		server.WithOverload(handler.Overload{Fair: c.Fair, Identity: handler.ByClient, KeepLate: c.KeepStale}),
	}
	if c.Workers > 0 {
		opts = append(opts, server.WithWorkers(c.Workers))
	}
	if c.Stall > 0 {
		opts = append(opts, server.WithStallTimeout(c.Stall))
	}
	if c.Frame > 0 {
		opts = append(opts, server.WithFrameTimeouts(c.Frame, c.Frame))
	}
	if c.Queue > 0 {
		opts = append(opts, server.WithQueue(c.Queue))
	}
	var j *journal
	if c.Journal != "" {
		var err error
		if j, err = openJournal(c.Journal); err != nil {
			return err
		}
	}
	if c.Persist {
		opts = append(opts, server.WithRetryCache(handler.Retries{Store: j}))
	}
	w := newWorkshop(j, c.Brief)
	s := server.New(opts...)
	if err := s.Register(w.service()); err != nil {
		return err
	}
	bound, err := s.Listen(c.Address)
	if err != nil {
		return err
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(report{Address: bound}); err != nil {
		return err
	}
	asked := make(chan struct{})
	go func() {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			asked <- struct{}{}
		}
		os.Exit(3)
	}()
	for {
		r := report{}
		select {
		case err := <-served:
			return fmt.Errorf("serving ended: %w", err)
		case <-term:
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			if err := errors.Join(s.Shutdown(ctx)); err != nil {
				r.Shutdown = err.Error()
			}
			r.fill(w)
			return out.Encode(r)
		case <-asked:
			r.fill(w)
			if err := out.Encode(r); err != nil {
				return err
			}
		}
	}
}

func (r *report) fill(w *workshop) {
	r.Begun, r.Late, r.Busy = w.begun.Load(), w.late.Load(), w.busy.Load()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	r.Heap = int64(m.HeapAlloc)
	r.Goroutines = runtime.NumGoroutine()
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil && runtime.GOOS == "linux" {
		r.Peak = usage.Maxrss << 10 // in KiB there
	}
}
