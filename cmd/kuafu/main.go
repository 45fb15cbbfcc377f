// Command kuafu calls, describes and measures services from the command line.
//
//	kuafu list localhost:7000
//	kuafu describe localhost:7000 Greeter.greet
//	kuafu call localhost:7000 Greeter.greet -d '{"guest": {"name": "Ada"}}'
//
// What a service looks like comes from the server's reflection service, or from an IDL file; so it speaks to stock Apache
// Thrift servers too. docs/kuafu-command.md has the whole story. The exit status is 0 if all went well, 1 if a call failed
// or a server is not healthy, 2 if the command line or the data on it is wrong, and 3 if there is no connection.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
