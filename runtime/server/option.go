package server

import (
	"crypto/tls"
	"io/fs"
	"log/slog"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/handler"
	"github.com/kuafu-rpc/kuafu/runtime/listener"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/reader"
	"github.com/kuafu-rpc/kuafu/runtime/responder"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Option configures a Server.
type Option interface {
	apply(*options)
}

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

// options holds the options of every stage. Defaults are filled in by the stages themselves.
type options struct {
	logger    *slog.Logger
	listen    listener.ListenOptions
	listener  listener.Options
	reader    reader.Config
	handler   handler.Options
	responder responder.Options
	dialect   wire.Dialect
	secrets   *auth.Secrets
	events    observe.Events
}

// WithLogger sets where the server logs; default slog.Default.
func WithLogger(l *slog.Logger) Option { return optionFunc(func(o *options) { o.logger = l }) }

// WithWorkers sets how many calls run at once; default 256.
func WithWorkers(n int) Option { return optionFunc(func(o *options) { o.handler.Workers = n }) }

// WithQueue sets how many calls may wait for a worker; default 100 for each worker. One more is refused with
// rpc.ResourceExhausted.
func WithQueue(n int) Option { return optionFunc(func(o *options) { o.handler.Queue = n }) }

// WithLoops sets how many event loops read and write the connections; default GOMAXPROCS.
func WithLoops(n int) Option { return optionFunc(func(o *options) { o.listener.Loops = n }) }

// WithMaxConns bounds the connections in all, and those of one IP address. 0 stands for the default: 65,536 or 80 % of
// the process's open files, whichever is less, and 1,024; negative for no bound.
func WithMaxConns(all, perIP int) Option {
	return optionFunc(func(o *options) { o.listener.MaxConns, o.listener.MaxConnsPerIP = all, perIP })
}

// WithMaxCalls bounds the unanswered calls of one connection; default 4096. One more is refused with
// rpc.ResourceExhausted.
func WithMaxCalls(n int) Option { return optionFunc(func(o *options) { o.reader.MaxCalls = n }) }

// WithMaxCancels bounds the calls of a native connection that are canceled within a millisecond of their arrival, in 10 s;
// default 200, negative for no bound. Of those within a tenth of a second only a tenth of n counts, so that a client may
// give up all its calls at once. A connection that exceeds it, and on which no more calls were answered than canceled, is
// closed.
func WithMaxCancels(n int) Option { return optionFunc(func(o *options) { o.reader.MaxCancels = n }) }

// WithMaxMessage bounds a message in bytes: as one frame on the wire, default 16,384,000, and decompressed, default
// 64 MiB. 0 stands for the default.
func WithMaxMessage(frame, decompressed int) Option {
	return optionFunc(func(o *options) {
		o.reader.MaxFrame, o.reader.MaxMessage, o.dialect.MaxMessage = frame, decompressed, decompressed
	})
}

// WithAllocFactor sets how many bytes decoding a message may allocate for each byte of it, 64 KiB apart; default
// codec.AllocFactor, 16, at most codec.MaxAllocFactor, 1,024. A message that needs more is refused with
// rpc.InvalidArgument. Lists of structs with many fields, most of them absent, may need a higher factor; it is also
// how much of the server's memory a byte from a hostile client can take.
func WithAllocFactor(n int) Option {
	return optionFunc(func(o *options) { o.handler.AllocFactor, o.dialect.AllocFactor = n, n })
}

// WithMaxPending bounds the output in bytes that waits for a peer to read it; default 64 MiB. A connection that exceeds
// it is closed.
func WithMaxPending(bytes int) Option {
	return optionFunc(func(o *options) { o.responder.MaxPending = bytes })
}

// WithFrameTimeouts sets how long a new connection may take to its first complete frame, default 10 s, and how long any
// later frame may take, default 30 s. 0 stands for the default.
func WithFrameTimeouts(first, later time.Duration) Option {
	return optionFunc(func(o *options) { o.reader.FirstFrameTimeout, o.reader.FrameTimeout = first, later })
}

// WithIdleTimeout sets after how long a connection without calls is closed; default 10 min, negative for never.
func WithIdleTimeout(d time.Duration) Option {
	return optionFunc(func(o *options) { o.reader.IdleTimeout = d })
}

// WithStallTimeout sets how long a peer may not read anything while output waits for it; default 10 s. Then the connection
// is closed.
func WithStallTimeout(d time.Duration) Option {
	return optionFunc(func(o *options) { o.listener.StallTimeout = d })
}

// WithCompression sets from which size on a native reply's body is compressed with Snappy; default 4 KiB, negative for
// never. A method's own (compress = "...") goes first.
func WithCompression(threshold int) Option {
	return optionFunc(func(o *options) { o.dialect.Threshold = threshold })
}

// WithSocketMode sets the file mode of Unix sockets; default 0660.
func WithSocketMode(mode fs.FileMode) Option {
	return optionFunc(func(o *options) { o.listen.Mode = mode })
}

// WithBanner sets what the server tells peers that speak another protocol, one line without its full stop; default a
// text in general terms.
func WithBanner(text string) Option { return optionFunc(func(o *options) { o.reader.Banner = text }) }

// WithTLS sets the certificates of tls:// addresses, and whose clients' certificates are trusted; auth.Certificates has
// configurations that follow files. A MinVersion of 0 stands for TLS 1.3. What a verified certificate says becomes the
// identity of the connection's calls.
func WithTLS(config *tls.Config) Option {
	return optionFunc(func(o *options) { o.listen.TLS = config })
}

// WithSecrets makes every client log in before its first other call, whatever its transport has proved. Calls that come
// earlier are refused with rpc.Unauthenticated. The user becomes the identity of the connection's calls.
func WithSecrets(s *auth.Secrets) Option { return optionFunc(func(o *options) { o.secrets = s }) }

// WithAuthorizer sets who may call what; auth.Policy has rules from a file. By default everybody may call everything that
// is registered. Denied calls are logged.
func WithAuthorizer(a rpc.Authorizer) Option {
	return optionFunc(func(o *options) { o.handler.Authorize = a })
}
