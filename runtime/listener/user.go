package listener

import (
	"os/user"
	"strconv"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// users knows the names of Unix sockets' peers. The system's answer may come from far away, so it is kept for a while.
type users struct {
	mu    sync.Mutex
	names map[int]userName
}

type userName struct {
	name  string
	until time.Time
}

const (
	userNameAge = time.Minute
	userNameMax = 4096 // names kept; there are only so many users on a host
)

// identity returns who a peer with that uid is; anonymous for -1.
func (u *users) identity(uid int) rpc.Identity {
	if uid < 0 {
		return rpc.Identity{}
	}
	now := time.Now()
	u.mu.Lock()
	known, ok := u.names[uid]
	u.mu.Unlock()
	if !ok || now.After(known.until) {
		known = userName{"#" + strconv.Itoa(uid), now.Add(userNameAge)}
		if found, err := user.LookupId(strconv.Itoa(uid)); err == nil && found.Username != "" {
			known.name = found.Username
		}
		u.mu.Lock()
		if u.names == nil || len(u.names) >= userNameMax {
			u.names = make(map[int]userName)
		}
		u.names[uid] = known
		u.mu.Unlock()
	}
	return rpc.Identity{Kind: rpc.IdentityUnix, Name: known.name}
}
