package main

//go:generate go run github.com/kuafu-rpc/kuafu/cmd/rpcgen stream.idl
