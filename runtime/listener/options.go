package listener

import (
	"errors"
	"log/slog"
	"math"
	"runtime"
	"syscall"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Reasons that Session.Closed gets from this package. Any other reason is io.EOF (the peer closed), a system call's
// error, what the session itself returned, or what was given to Conn.Close or Conn.Abort.
var (
	// ErrClosed says that the Listener was stopped or closed.
	ErrClosed = errors.New("listener: closed")

	// ErrSlowConsumer says that output was pending and the peer took no byte of it for Options.StallTimeout.
	ErrSlowConsumer = errors.New("listener: slow consumer: the peer reads no output")

	// ErrHandshakeTimeout says that a TLS handshake was not finished within Options.HandshakeTimeout.
	ErrHandshakeTimeout = errors.New("listener: the TLS handshake was not finished in time")

	// ErrPlaintext says that a peer of a TLS port did not begin with TLS.
	ErrPlaintext = errors.New("listener: the peer does not speak TLS, this port does")

	// ErrPanic is in the chain of the reason if a Session or Output has panicked.
	ErrPanic = errors.New("listener: panic in the connection's session")
)

// Options configure a Listener. The zero value of each field stands for its default.
type Options struct {
	Loops int // event loops; default GOMAXPROCS

	// MaxConns bounds the connections open at once. Default: 65,536 or 80 % of RLIMIT_NOFILE, whichever is less, and
	// at least 32 descriptors fewer than that. Negative: no limit.
	MaxConns int

	// MaxConnsPerIP bounds the TCP connections open at once from one IPv4 address or one IPv6 /64 network. Default
	// 1024. Negative: no limit. Unix sockets are not counted.
	MaxConnsPerIP int

	ReadBuffer int // bytes one read may take; one buffer of that size per loop. Default 256 KiB
	Window     int // bytes asked of Output.Next at a time, and written before other connections get a turn. Default 1 MiB

	// StallTimeout ends a connection whose peer took no byte for so long while output was pending; it may take a quarter
	// longer. Default 10 s.
	StallTimeout time.Duration

	// CloseGrace bounds how long a closed connection may live on: to send its pending output, and then to read on until
	// the peer has that output and falls silent, because a socket closed earlier may reset the connection. Default 1 s.
	CloseGrace time.Duration

	// CheckInterval is the time between two calls of a connection's Session.Check. Default 500 ms, and at most a tenth of
	// StallTimeout.
	CheckInterval time.Duration

	// KeepAlive is the idle time after which TCP probes the peer; three probes a third of it apart go unanswered before
	// the connection ends. Default 60 s. Negative: no probes.
	KeepAlive time.Duration

	// HandshakeTimeout bounds a TLS handshake. Default 5 s.
	HandshakeTimeout time.Duration

	// HandshakeFailed, if not nil, is told why a TLS connection never reached a session. It may be called concurrently and
	// must not block. err is io.EOF for a peer that closed without a word.
	HandshakeFailed func(peer *rpc.Peer, err error)

	// Refused, if not nil, is told of connections that are closed at once because of a limit. It may be called concurrently
	// and must not block.
	Refused func(peer *rpc.Peer, limit Limit)

	// Plaintext, if not nil, returns what to send, before the end, to a peer of a TLS port that does not speak TLS. prefix
	// is what it began with, 5 to 64 bytes, valid during the call only. It may be called concurrently.
	Plaintext func(prefix []byte) []byte

	Logger *slog.Logger // default: no logs
}

// withDefaults returns o with every zero field replaced, and negative limits made infinite.
func (o Options) withDefaults() Options {
	set := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	setTime := func(v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
	}
	set(&o.Loops, runtime.GOMAXPROCS(0))
	set(&o.MaxConns, defaultMaxConns())
	set(&o.MaxConnsPerIP, 1024)
	set(&o.ReadBuffer, 256<<10)
	set(&o.Window, 1<<20)
	setTime(&o.StallTimeout, 10*time.Second)
	setTime(&o.CloseGrace, time.Second)
	setTime(&o.CheckInterval, 500*time.Millisecond)
	o.CheckInterval = min(o.CheckInterval, max(o.StallTimeout/10, time.Millisecond))
	setTime(&o.KeepAlive, time.Minute)
	setTime(&o.HandshakeTimeout, 5*time.Second)
	if o.MaxConns < 0 {
		o.MaxConns = math.MaxInt
	}
	if o.MaxConnsPerIP < 0 {
		o.MaxConnsPerIP = math.MaxInt
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Loops < 0:
		return errors.New("listener: negative Loops")
	case o.ReadBuffer < 0:
		return errors.New("listener: negative ReadBuffer")
	case o.Window < 0:
		return errors.New("listener: negative Window")
	case o.StallTimeout < 0, o.CloseGrace < 0, o.CheckInterval < 0, o.HandshakeTimeout < 0:
		return errors.New("listener: negative StallTimeout, CloseGrace, CheckInterval or HandshakeTimeout")
	}
	return nil
}

// defaultMaxConns leaves a fifth of the descriptors to the rest of the process, and not fewer than it needs to run at
// all.
func defaultMaxConns() int {
	const most, rest = 65536, 32
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil || lim.Cur/5*4 > most {
		return most
	}
	files := int(lim.Cur)
	return max(1, min(files*4/5, files-rest))
}
