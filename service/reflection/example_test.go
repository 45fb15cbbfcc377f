package reflection_test

import (
	"context"
	"fmt"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/service/reflection"
)

// A client learns what a server's services look like, without generated code of theirs.
func ExampleLoad() {
	srv := server.New()
	if err := srv.Register(greeter.NewGreeterService(nil), reflection.NewService(srv)); err != nil {
		fmt.Println(err)
		return
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go srv.Serve()
	defer srv.Close()
	ctx := context.Background()
	conn, err := client.Dial(ctx, address)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	c := reflection.NewReflectionClient(conn)
	fmt.Println(c.ListServices(ctx))
	files, err := c.GetFiles(ctx, "Greeter")
	if err != nil {
		fmt.Println(err)
		return
	}
	program, diagnostics := reflection.Load(files, schema.Options{})
	fmt.Println(len(diagnostics), "problems")
	for _, f := range program.Roots[0].Services[0].Functions {
		fmt.Println(f.Name, len(f.Args))
	}
	// Output:
	// [Greeter Reflection] <nil>
	// 0 problems
	// greet 1
	// count 1
	// forget 0
	// farewell 1
}
