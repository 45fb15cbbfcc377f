package librarytest

//go:generate go run github.com/kuafu-rpc/kuafu/cmd/rpcgen library.idl
