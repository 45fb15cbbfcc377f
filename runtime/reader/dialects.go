package reader

import (
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// dialectCache has the dialects that the connections of a server speak, shared by those that speak the same.
type dialectCache struct {
	base                 *wire.Dialect
	maxFrame, maxMessage int

	mu      sync.Mutex
	byLimit map[int]*wire.Dialect
	byForm  map[form]*thrift.Dialect
}

// form is what tells thrift.Detect's dialects from one another.
type form struct {
	framed, header, strict bool
	encoding               codec.Encoding
}

// keepLimits is how many frame limits are remembered. They are the peers' choice; there are only so many forms.
const keepLimits = 64

func newDialectCache(c *Config) *dialectCache {
	return &dialectCache{
		base: c.Dialect, maxFrame: c.MaxFrame, maxMessage: c.MaxMessage,
		byLimit: make(map[int]*wire.Dialect), byForm: make(map[form]*thrift.Dialect),
	}
}

// native returns the dialect for a peer that accepts frames of so many bytes.
func (d *dialectCache) native(limit int) *wire.Dialect {
	if limit == wire.DefaultMaxFrame && d.base.MaxFrame == 0 {
		return d.base
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.byLimit[limit]; known != nil {
		return known
	}
	own := *d.base
	own.MaxFrame = limit
	if len(d.byLimit) < keepLimits {
		d.byLimit[limit] = &own
	}
	return &own
}

// thrift returns the dialect that was found, with the limits of the server.
func (d *dialectCache) thrift(found thrift.Dialect) *thrift.Dialect {
	key := form{found.Framed, found.Header, found.Strict, found.Encoding}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.byForm[key]
	if known == nil {
		found.MaxFrame, found.MaxMessage = d.maxFrame, d.maxMessage
		known = &found
		d.byForm[key] = known
	}
	return known
}
