package gentest_test

import (
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/bench"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/kitchen"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/names"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/oddities"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/services"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/shared"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/versions/after"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/versions/before"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// message is what every generated struct is.
type message interface {
	codec.Encodable
	codec.Decodable
	String() string
}

// messages holds one of each generated struct. Fuzzing refers to them by place: add new ones at the end.
var messages = []message{
	&kitchen.Bases{}, &kitchen.Containers{}, &kitchen.Keys{}, &kitchen.Inner{}, &kitchen.Structs{}, &kitchen.Shape{},
	&kitchen.Preset{}, &kitchen.Rectangle{}, &kitchen.Nothing{}, &kitchen.Node{}, &kitchen.Tree{}, &kitchen.Even{},
	&kitchen.Odd{}, &kitchen.Defaults{}, &kitchen.WithDefault{}, &kitchen.DeepDefault{}, &kitchen.Failure{},
	&kitchen.Silent{}, &kitchen.Account{}, &kitchen.IDs{}, &kitchen.HasUnknown{}, &shared.Point{}, &shared.Key{},
	&shared.NotFound{}, &oddities.OneLine{}, &oddities.Xsd{}, &oddities.Keywords{}, &oddities.NoIDs{},
	&oddities.HexIDs{}, &oddities.Referee{}, &oddities.Either{}, &oddities.Refusal{}, &oddities.HasException{},
	&names.Fields{}, &names.Mistake{}, &names.String{}, &names.Imports{}, &services.Busy{}, &before.Person{},
	&after.Person{}, &bench.Msg{}, &kitchen.Hollow{}, &kitchen.Amplify{},
}

// isUnion has the messages that need exactly one member.
var isUnion = map[reflect.Type]bool{
	reflect.TypeFor[kitchen.Shape](): true, reflect.TypeFor[kitchen.Preset](): true, reflect.TypeFor[oddities.Either](): true,
	reflect.TypeFor[names.String](): true, reflect.TypeFor[before.Contact](): true, reflect.TypeFor[after.Contact](): true,
}

// blank returns a new message of the type of m.
func blank(m message) message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(message) }

// random returns a message of the type of m with random content that can be written: nothing is left nil that would
// come back empty, unions have one member, and required structs are there.
func random(r *rand.Rand, m message) message {
	v := reflect.New(reflect.TypeOf(m).Elem())
	fill(r, v.Elem(), 0)
	return v.Interface().(message)
}

func fill(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := int64(r.Uint64()) >> r.IntN(64)
		v.SetInt(n << (64 - v.Type().Bits()) >> (64 - v.Type().Bits()))
	case reflect.Float64:
		v.SetFloat(r.NormFloat64())
	case reflect.Uint8:
		v.SetUint(uint64(r.IntN(256)))
	case reflect.String:
		v.SetString(strings.Repeat("é", r.IntN(5)))
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth)
		}
	case reflect.Slice:
		n := r.IntN(4)
		if depth > 4 {
			n = 0
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			if depth > 4 {
				return
			}
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key, depth+1)
			fill(r, elem, depth+1)
			v.SetMapIndex(key, elem)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), depth+1)
	case reflect.Struct:
		fillStruct(r, v, depth)
	default:
		panic("no rule for a generated field of type " + v.Type().String())
	}
}

func fillStruct(r *rand.Rand, v reflect.Value, depth int) {
	if isUnion[v.Type()] {
		member := 0 // all first members end the recursion
		if depth <= 4 {
			member = r.IntN(v.NumField())
		}
		fill(r, v.Field(member), depth+1)
		return
	}
	for i := range v.NumField() {
		f := v.Field(i)
		required := f.Type() == reflect.TypeFor[*kitchen.Even]()
		if f.Kind() == reflect.Pointer && !required && (depth > 4 || r.IntN(2) == 0) {
			continue
		}
		fill(r, f, depth+1)
	}
}
