package rpc

import "github.com/kuafu-rpc/kuafu/runtime/internal/buffer"

// Recycle gives the memory of a message that RecvBytes has returned back to the streams of this process, for messages
// that are yet to come. Neither b nor anything that shares its memory may be used afterwards, by anybody; doing it twice is
// as bad. Nobody has to do it: what is not given back is garbage, as any other slice. It is worth it for bulk, in messages
// of 16 KiB and more; smaller ones are left to the garbage collector. It may be called concurrently.
func Recycle(b []byte) { buffer.Put(b) }
