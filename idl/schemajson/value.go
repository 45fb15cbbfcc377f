package schemajson

import (
	"encoding/hex"
	"math"

	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// newValue returns a constant as something that package json writes: numbers, bools and strings as themselves, binary
// in base64, infinities and the like by name, enums by name where they have one, maps as a list of [key, value].
func newValue(v *schema.Value) any {
	switch v.Type.Kind {
	case schema.KindBool:
		return v.Bool
	case schema.KindEnum:
		if v.Enum != nil {
			return v.Enum.Name
		}
		return v.Int
	case schema.KindDouble:
		switch {
		case math.IsNaN(v.Double):
			return "NaN"
		case math.IsInf(v.Double, 1):
			return "Infinity"
		case math.IsInf(v.Double, -1):
			return "-Infinity"
		}
		return v.Double
	case schema.KindString:
		return v.Str
	case schema.KindBinary:
		return []byte(v.Str)
	case schema.KindUUID:
		return uuidText(v.UUID)
	case schema.KindList, schema.KindSet:
		list := make([]any, 0, len(v.List))
		for _, elem := range v.List {
			list = append(list, newValue(elem))
		}
		return list
	case schema.KindMap:
		pairs := make([][2]any, 0, len(v.Map))
		for _, p := range v.Map {
			pairs = append(pairs, [2]any{newValue(p.Key), newValue(p.Value)})
		}
		return pairs
	case schema.KindStruct:
		members := make(map[string]any, len(v.Fields))
		for _, f := range v.Fields {
			members[f.Field.Name] = newValue(f.Value)
		}
		return members
	}
	return v.Int
}

func uuidText(u [16]byte) string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
