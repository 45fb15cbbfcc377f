module github.com/kuafu-rpc/kuafu/interop

go 1.26.0

require (
	github.com/apache/thrift v0.25.0
	github.com/kuafu-rpc/kuafu v0.0.0
)

require github.com/golang/snappy v1.0.0 // indirect

replace github.com/kuafu-rpc/kuafu => ../
