module github.com/kuafu-rpc/kuafu/interop

go 1.26.0

require (
	github.com/apache/thrift v0.25.0
	github.com/kuafu-rpc/kuafu v0.0.0
)

require (
	github.com/golang/snappy v1.0.0 // indirect
	github.com/panjf2000/ants/v2 v2.12.1 // indirect
	github.com/panjf2000/gnet/v2 v2.9.8 // indirect
	github.com/valyala/bytebufferpool v1.0.0 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	go.uber.org/zap v1.28.0 // indirect
	golang.org/x/sync v0.23.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	gopkg.in/natefinch/lumberjack.v2 v2.2.1 // indirect
)

replace github.com/kuafu-rpc/kuafu => ../
