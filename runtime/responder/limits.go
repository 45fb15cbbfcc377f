package responder

// MaxPending returns the limit that is in force.
func (f *Factory) MaxPending() int { return f.opts.MaxPending }
