// Package thrift reads and writes the messages of Apache Thrift peers, in whichever dialect they speak: framed, unframed
// or THeader, binary or compact.
//
// It does no I/O. Detect decides a connection's dialect from its first bytes; a Splitter cuts what follows into
// messages; Dialect.ReadCall and Dialect.Open make a call of a message, and Dialect.AppendReply answers it in the
// dialect it came in. Clients use Dialect.AppendCall and Dialect.ReadReply. DESIGN.md in this directory has the byte
// tables and the decisions.
package thrift
