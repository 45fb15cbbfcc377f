// Package responder turns the replies of one connection into bytes and coalesces them, so that many replies cost one
// write.
//
// A reply is encoded by the goroutine that made it, outside any lock, and appended to the connection's pending output.
// Whoever writes takes all that is pending at once. Small replies share buffers; a large one travels in
// the buffer it was encoded into and is never copied here.
package responder
