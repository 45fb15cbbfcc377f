package health

//go:generate go run github.com/kuafu-rpc/kuafu/cmd/rpcgen health.idl
