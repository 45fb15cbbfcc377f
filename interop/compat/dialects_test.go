package compat

import (
	apache "github.com/apache/thrift/lib/go/thrift"
)

// dialect is one way for Apache's library to speak.
type dialect struct {
	name       string
	ours       string // what our client calls it, which does not compress in THeader
	transports apache.TTransportFactory
	protocols  apache.TProtocolFactory
	service    string // multiplexed under this name
}

func dialects() (all []dialect) {
	loose := &apache.TConfiguration{TBinaryStrictRead: apache.Pointer(false), TBinaryStrictWrite: apache.Pointer(false)}
	plain := apache.NewTTransportFactory()
	add := func(name string, transports apache.TTransportFactory, protocols apache.TProtocolFactory) {
		all = append(all, dialect{name, name, transports, protocols, ""}, dialect{name + "-mux", name + "-mux", transports, protocols, "Compat"})
	}
	for _, p := range []struct {
		name    string
		factory apache.TProtocolFactory
	}{
		{"binary", apache.NewTBinaryProtocolFactoryConf(nil)},
		{"nonstrict", apache.NewTBinaryProtocolFactoryConf(loose)},
		{"compact", apache.NewTCompactProtocolFactoryConf(nil)},
	} {
		add("framed-"+p.name, apache.NewTFramedTransportFactoryConf(plain, nil), p.factory)
		add("unframed-"+p.name, apache.NewTBufferedTransportFactory(8192), p.factory)
	}
	for id, name := range map[apache.THeaderProtocolID]string{apache.THeaderProtocolBinary: "header-binary", apache.THeaderProtocolCompact: "header-compact"} {
		conf := &apache.TConfiguration{THeaderProtocolID: &id}
		add(name, plain, apache.NewTHeaderProtocolFactoryConf(conf))
		n := len(all)
		zlib := &apache.TConfiguration{THeaderProtocolID: &id, THeaderTransforms: []apache.THeaderTransformID{apache.TransformZlib}}
		add(name+"-zlib", plain, apache.NewTHeaderProtocolFactoryConf(zlib))
		all[n].ours, all[n+1].ours = name, name+"-mux"
	}
	return all
}
