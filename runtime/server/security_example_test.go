package server_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

// Clients log in with a secret, and a policy says what each may call. Real servers keep both in files: see
// auth.OpenSecrets and auth.OpenPolicy.
func ExampleWithAuthorizer() {
	line, err := auth.HashSecret("alice", "a secret made by a machine", 0)
	if err != nil {
		log.Fatal(err)
	}
	secrets, err := auth.ParseSecrets([]byte(line))
	if err != nil {
		log.Fatal(err)
	}
	policy, err := auth.ParsePolicy("allow scram:alice Clock.ticks")
	if err != nil {
		log.Fatal(err)
	}
	srv := server.New(server.WithSecrets(secrets), server.WithAuthorizer(policy.Authorize), server.WithLogger(slog.New(slog.DiscardHandler)))
	if err := srv.Register(echotest.NewClockService(clock{})); err != nil {
		log.Fatal(err)
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve()
	defer srv.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := client.Dial(ctx, address, client.WithSecret("alice", "a secret made by a machine"))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	c := echotest.NewClockClient(conn)
	ticks, err := c.Ticks(ctx, 24)
	fmt.Println(ticks, err)
	_, err = c.Whoami(ctx)
	fmt.Println(rpc.CodeOf(err), err)

	_, err = client.Dial(ctx, address, client.WithSecret("alice", "a guess"))
	fmt.Println(rpc.CodeOf(err))
	// Output:
	// 1024 <nil>
	// permission_denied Clock.whoami: permission_denied: scram:alice may not call Clock.whoami (not executed)
	// unauthenticated
}
