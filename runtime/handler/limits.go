package handler

// Limits returns how many calls may run at once, and how many may wait in the queue, as they are in force.
func (h *Handler) Limits() (workers, queued int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch q := h.queue.(type) {
	case *queue:
		queued = q.bound
	case *fairQueue:
		for i := range q.levels {
			queued += q.levels[i].bound
		}
	}
	return h.opts.Workers, queued
}
