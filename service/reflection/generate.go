package reflection

//go:generate go run github.com/kuafu-rpc/kuafu/cmd/rpcgen reflection.idl
