package listener

// Limits returns how many connections may be open at once, in all and from one address, as they are in force. No limit
// is a number that is never reached.
func (l *Listener) Limits() (conns, perIP int) { return l.opts.MaxConns, l.opts.MaxConnsPerIP }
