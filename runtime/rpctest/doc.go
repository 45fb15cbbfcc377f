// Package rpctest runs servers and clients in memory, breaks what is between them, and writes down what they say.
//
// Everything in it works under testing/synctest, where the time is virtual: a test of a timeout of an hour takes no time.
// A Server runs the same stages as a real one, except that its connections are no sockets and have goroutines in place
// of event loops.
//
//	s, err := rpctest.NewServer(rpctest.Options{}, echo.NewEchoService(impl))
//	c, err := client.Dial(ctx, "tcp://any:1", client.WithDialer(s.Dial))
//
// A Network has several such servers by address, a Link is a connection that fails as it is told, and a Transcript has the
// frames that went over one. To test code that makes calls without any of this, implement the interface of the
// generated client with a plain struct: see the package's example.
package rpctest
