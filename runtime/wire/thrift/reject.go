package thrift

import (
	"encoding/binary"
	"fmt"
)

const (
	tlsAlert     = 0x15
	tlsHandshake = 0x16
)

// portText is what Rejection says a port is, if its caller does not.
const portText = "This is a Kuafu RPC port (native or Apache Thrift)"

// Rejection returns what to send, before closing, to a peer that speaks the wrong protocol: an answer in its own protocol
// whose text says what the port is. port is that text, one line without its full stop; "" is a text in general terms.
// It is nil where no answer would be understood. The caller owns the slice.
func (k Kind) Rejection(port string) []byte {
	if port == "" {
		port = portText
	}
	text := fmt.Sprintf("%s; it does not speak %s.", port, k)
	switch k {
	case HTTP:
		return fmt.Appendf(nil, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n", len(text)+1, text)
	case HTTP2:
		// The server's preface, an empty SETTINGS frame, has to come before the GOAWAY. gRPC clients show its debug data.
		b := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}
		text = text[:min(len(text), 1024)]
		b = append(b, 0, byte((8+len(text))>>8), byte(8+len(text)), 7, 0, 0, 0, 0, 0)
		b = binary.BigEndian.AppendUint32(b, 0) // the last stream processed: none
		b = binary.BigEndian.AppendUint32(b, 1) // PROTOCOL_ERROR
		return append(b, text...)
	case TLS:
		return []byte{tlsAlert, 3, 3, 0, 2, 2, 40} // fatal, handshake_failure
	}
	return nil
}

// Reason says for a log why a connection of this kind was closed; "" for kinds that are spoken.
func (k Kind) Reason() string {
	switch k {
	case Undecided:
		return "the connection closed before its protocol was known"
	case Native, Thrift:
		return ""
	case TLS:
		return "the peer speaks TLS, this port does not"
	case Unknown:
		return "the peer speaks no known protocol"
	}
	return "the peer speaks " + k.String()
}
