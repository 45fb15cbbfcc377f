module github.com/kuafu-rpc/kuafu/interop

go 1.26.0

require (
	github.com/apache/thrift v0.25.0
	github.com/kuafu-rpc/kuafu v0.0.0
)

replace github.com/kuafu-rpc/kuafu => ../
