// Package listener owns a server's sockets: it accepts connections, reads and writes them on gnet's event loops, and
// closes them.
//
// It knows nothing of protocols. What arrives on a connection goes to a Session, what is to be sent is pulled from an
// Output; both are made by the function given to New. It is the only package that imports gnet, and uses it as a
// reactor alone: accepting, limits, writing and closing are done here, because gnet's own ways end the process, lose
// bytes or grow without bound under pressure. DESIGN.md has the list.
package listener
