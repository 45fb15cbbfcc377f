package listener

// Limit names a bound on connections.
type Limit string

// The limits for which connections are refused.
const (
	LimitConns      Limit = "connections"             // Options.MaxConns
	LimitConnsPerIP Limit = "connections_per_address" // Options.MaxConnsPerIP
	LimitFiles      Limit = "files"                   // the descriptors of the process or the system
)

// Limits returns how many connections may be open at once, in all and from one address, as they are in force. No limit
// is a number that is never reached.
func (l *Listener) Limits() (conns, perIP int) { return l.opts.MaxConns, l.opts.MaxConnsPerIP }
