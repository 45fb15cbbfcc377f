package typestest

//go:generate go run github.com/kuafu-rpc/kuafu/cmd/rpcgen --allow-negative-ids types.idl
