package handler

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Options configures a Handler. The zero value of each field means its default.
type Options struct {
	// Workers is how many calls run at once; default 256. Workers are started as they are needed and then kept.
	Workers int

	// Queue is how many calls may wait for a worker; default 100 for each worker. A call that finds the queue full is
	// refused with ResourceExhausted.
	Queue int

	// Overload says how the queue works. Reconfigure changes it, and Queue, later.
	Overload Overload

	// MaxDeferred is how many calls may be deferred, and not answered by the application; default 65,536. One more makes
	// rpc.Defer fail.
	MaxDeferred int

	// Retries configures the memory for at-most-once calls.
	Retries Retries

	// MaxStreams is how many stream calls may run at once; default 16,384. One more is refused with ResourceExhausted. They
	// take no workers.
	MaxStreams int

	// Interceptors surround the handling of calls that are no streams. The first is the outermost.
	Interceptors []rpc.ServerInterceptor

	// StreamInterceptors surround the handling of stream calls. The first is the outermost.
	StreamInterceptors []rpc.StreamServerInterceptor

	// Inline has the full names of methods, like "Echo.echo", that are so short, and so certain not to wait for anything,
	// that they may be run by the goroutine that dispatches their calls, which as a rule is an event loop: all its
	// connections wait meanwhile. They must not end their goroutine (runtime.Goexit). Workers run them while calls are
	// queued or callers are told apart, and for a minute after eight runs in a row, or one in sixteen for long, took more
	// than 50 us; that is logged. Neither streams nor at-most-once methods are allowed. Default: none.
	Inline []string

	// BusyPoll is for how long, at most, a worker that runs calls which come one by one looks for the next before it sleeps, and keeps
	// a processor busy that no other thread wants. It does while calls follow each other that closely lately, one worker for two
	// processors. At most MaxBusyPoll, negative for never; default DefaultBusyPoll.
	BusyPoll time.Duration

	// AllocFactor is how many bytes decoding a call's arguments may allocate for each byte of them, 64 KiB apart; default
	// codec.AllocFactor, at most codec.MaxAllocFactor.
	AllocFactor int

	// Exact makes every call timed. Default: where only Stats wants to know, one in 64.
	Exact bool

	// Authorize, if not nil, decides about every call before its arguments are decoded.
	Authorize rpc.Authorizer

	// Logger gets the stack of a handler that panicked; default slog.Default.
	Logger *slog.Logger
}

// Retries configures the retry cache, in which a server looks for the outcome of an at-most-once call that is sent again.
// The zero value of each field means its default.
type Retries struct {
	Bytes int           // that the cache may hold, negative for no cache; default 64 MiB
	Age   time.Duration // for which an outcome is kept; default 10 min
	Store RetryStore    // keeps outcomes elsewhere, too; default nil
}

// RetryStore keeps the outcomes of at-most-once calls where a restarted server, or the one that takes over, finds them.
// It must not change entries, and may keep them.
type RetryStore interface {
	// Save keeps an outcome. The call is answered when it has returned, so it may wait for a disk or for other servers. It
	// runs on the worker, or where a deferred call is answered, several at once. If it fails, the caller gets an error
	// in place of the outcome, Internal and Executed, because a retry elsewhere could not be recognized.
	Save(e *RetryEntry) error

	// Load calls restore with everything that is kept, oldest first. New calls it once.
	Load(restore func(e *RetryEntry)) error
}

const (
	defaultWorkers        = 256
	defaultQueuePerWorker = 100
	defaultMaxDeferred    = 1 << 16
	defaultMaxStreams     = 1 << 14
	defaultRetryBytes     = 64 << 20
	minRetryBytes         = 64 << 10
	defaultRetryAge       = 10 * time.Minute
)

func (o *Options) applyDefaultsAndValidate() error {
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	if o.Queue == 0 {
		o.Queue = defaultQueuePerWorker * o.Workers
	}
	if o.MaxDeferred == 0 {
		o.MaxDeferred = defaultMaxDeferred
	}
	if o.MaxStreams == 0 {
		o.MaxStreams = defaultMaxStreams
	}
	if o.BusyPoll == 0 {
		o.BusyPoll = DefaultBusyPoll
	}
	if o.AllocFactor == 0 {
		o.AllocFactor = codec.AllocFactor
	}
	if o.Retries.Bytes == 0 {
		o.Retries.Bytes = defaultRetryBytes
	}
	if o.Retries.Age == 0 {
		o.Retries.Age = defaultRetryAge
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	switch {
	case o.Workers < 0 || o.Queue < 0 || o.MaxDeferred < 0:
		return fmt.Errorf("handler: %d workers, a queue of %d and %d deferred calls: none may be negative", o.Workers, o.Queue, o.MaxDeferred)
	case o.BusyPoll > MaxBusyPoll:
		return fmt.Errorf("handler: looking for calls for %v: up to %v are allowed", o.BusyPoll, MaxBusyPoll)
	case o.AllocFactor < codec.AllocFactor || o.AllocFactor > codec.MaxAllocFactor:
		return fmt.Errorf("handler: an allocation factor of %d: %d to %d are allowed", o.AllocFactor, codec.AllocFactor, codec.MaxAllocFactor)
	case o.MaxStreams < 0:
		return fmt.Errorf("handler: at most %d streams: that must not be negative", o.MaxStreams)
	case o.Retries.Bytes > 0 && o.Retries.Bytes < minRetryBytes:
		return fmt.Errorf("handler: a retry cache of %d bytes; the least is %d", o.Retries.Bytes, minRetryBytes)
	case o.Retries.Age < 0:
		return fmt.Errorf("handler: a retry cache that keeps outcomes for %v", o.Retries.Age)
	}
	return o.Overload.applyDefaultsAndValidate()
}
