package streamtest

//go:generate go run github.com/kuafu-rpc/kuafu/cmd/rpcgen streamtest.idl
