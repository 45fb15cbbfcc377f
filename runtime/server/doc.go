// Package server puts the four stages together: it listens, reads, handles and responds.
//
//	srv := server.New()
//	err := srv.Register(hello.NewGreeterService(greeter{}))
//	err = srv.ListenAndServe("tcp://:7000", "unix:///run/greeter.sock")
//
// One port speaks Kuafu's native protocol and the dialects of Apache Thrift; the first bytes of a connection decide.
// docs/limits.md lists what a server does not put up with.
package server
