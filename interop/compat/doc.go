// Package compat tests a Kuafu server with Apache Thrift's Go library as its client, and the reverse, with the IDL of
// examples/thriftcompat.
//
// gen holds what Apache's compiler, version 0.17.0, makes of that IDL:
//
//	thrift -nowarn --gen go:thrift_import=github.com/apache/thrift/lib/go/thrift,skip_remote -out gen ../../examples/thriftcompat/compat.thrift
//	gofmt -w gen
//
// A test compares the files with what the compiler makes, where it is installed. Its version does not know uuid; the
// stubs for identity.idl are written by hand.
package compat
