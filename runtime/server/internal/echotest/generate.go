package echotest

//go:generate go run github.com/kuafu-rpc/kuafu/cmd/rpcgen echotest.idl
