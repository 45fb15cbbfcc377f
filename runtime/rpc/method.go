package rpc

import (
	"context"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// Retry says what a client may do when it does not know whether a call was executed.
type Retry uint8

const (
	RetryUnset      Retry = iota // only calls that provably never reached a handler are sent again
	RetryNever                   // (retry = "never")
	RetryIdempotent              // (retry = "idempotent")
	RetryAtMostOnce              // (retry = "at_most_once")
)

// Priority is a method's place in an overloaded server's queue.
type Priority uint8

const (
	PriorityNormal Priority = iota
	PriorityHigh
	PriorityLow
)

// Compress says how the bodies of a method travel.
type Compress uint8

const (
	CompressDefault Compress = iota // as the connection does: Snappy from a threshold on, where it pays
	CompressSnappy                  // (compress = "snappy"): wherever it makes the body shorter
	CompressNone                    // (compress = "none"): never
)

// Method describes one method of a service. Generated code holds one value per method; nobody changes it.
type Method struct {
	Service  string // "Echo", as in the IDL
	Name     string // "echo", as in the IDL
	FullName string // "Echo.echo": the one id that routing, authorization, metrics and logs use
	Oneway   bool
	Stream   StreamMode
	Retry    Retry
	Timeout  time.Duration // from (timeout = "500ms"); 0 if unset. A client applies it where the context has no deadline
	Priority Priority
	Compress Compress
	Origin   string // of an inherited method the FullName where an ancestor declares it, which all heirs share; else empty
}

// origin identifies the declaration of m.
func (m *Method) origin() string {
	if m.Origin != "" {
		return m.Origin
	}
	return m.FullName
}

// Handler is one method bound to an implementation.
type Handler struct {
	Method *Method

	// NewArgs returns a fresh argument struct for the decoder to fill.
	NewArgs func() codec.Decodable

	// Invoke runs the implementation. It returns the result struct: the success value, or the declared exception that
	// the implementation returned, in which case err is that exception too. Any other error comes with a nil result.
	// For a oneway method the result is nil.
	Invoke func(ctx context.Context, args codec.Decodable) (result codec.Encodable, err error)

	// Open is Invoke for a method with a Stream mode, which has no Invoke: it runs the implementation for as long as the
	// stream lasts, and its result is the stream's reply. s must not be used after it has returned.
	Open func(ctx context.Context, args codec.Decodable, s Stream) (result codec.Encodable, err error)
}

// Service is a set of handlers under one name. Generated NewXService functions make it from an implementation.
type Service struct {
	Name string

	// Ancestors names the services that this one extends, nearest first. A server answers to those names too,
	// unless a service of that name is registered itself.
	Ancestors []string
	Handlers  []Handler

	// File is the IDL file that declares the service; nil if unknown.
	File *IDLFile

	// Auxiliary makes the plain method names of a service give way. A stock Thrift client says "ping", not "Echo.ping";
	// that name means the method of a service that is not auxiliary, if one has it.
	Auxiliary bool

	// OnShutdown, if it is set, is called when Server.Shutdown begins, before it waits for calls that run: to end streams
	// that would go on for ever. It must not block. nil where there is nothing of that kind.
	OnShutdown func()
}
