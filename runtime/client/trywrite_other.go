//go:build !unix

package client

import "net"

// tryWriter is not available: the writer goroutine writes everything.
type tryWriter struct{}

func newTryWriter(net.Conn) *tryWriter { return nil }

func (*tryWriter) write([][]byte) (int, error) { panic("client: no tryWriter on this system") }

func (*tryWriter) writeAll([]byte) (int, error) { panic("client: no tryWriter on this system") }

func (*tryWriter) unpace() {}
