package handler

// Limits returns how many calls may run at once, and how many may wait in the queue, as they are in force.
func (h *Handler) Limits() (workers, queued int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.opts.Workers, h.queue.room()
}
