// Package client sends calls: it finds the servers of a service, keeps connections to them alive, and runs any number of
// concurrent calls on each, sending those again that may be.
//
// Generated clients are thin layers over a *Client:
//
//	c, err := client.Dial(ctx, "tcp://127.0.0.1:9090")
//	if err != nil { ... }
//	defer c.Close()
//	echo := echo.NewEchoClient(c)
//
// Every error of a call is an *rpc.Error (declared exceptions are results and do not come through this package). Its
// Execution is NotExecuted only where that is certain, for all attempts together. docs/client.md is the user's guide,
// DESIGN.md tells how the parts work together.
package client
