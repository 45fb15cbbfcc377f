package check

// allocLimit is how many objects a call may allocate. What is measured is the whole process, so what goes on beside calls
// is in it; with few calls in a window, that is a tenth.
type allocLimit struct {
	peer, payload  string
	callers        int
	client, server float64 // 0 for a side that is not ours
}

// Lower these when the code becomes better. To raise one takes a reason, which the commit's message gives.
var allocLimits = []allocLimit{
	{"kuafu", "64B", 100, 3.6, 4.9},
	{"kuafu", "1k", 100, 5.7, 7.1},
	{"kuafu", "1k", 1, 7.5, 9},
	{"kuafu-plain", "64k", 100, 8, 9.5},
	{"kuafu-binary", "1k", 100, 0, 9.5},
	{"kuafu-compact", "1k", 100, 0, 9.5},
}

// lossLimit is what has been reached against other frameworks, less what noise takes on a busy machine of two cores: at
// least so many times their calls/s, or their CPU per call divided by that.
type lossLimit struct {
	ours    string
	others  []string // nil for all frameworks
	payload string
	callers int
	least   float64
}

var lossLimits = []lossLimit{
	{"kuafu", nil, "64B", 100, 1.5},
	{"kuafu", nil, "1k", 100, 1.5},
	{"kuafu", nil, "1k", 1, 0.75},
	{"kuafu", []string{"grpc", "grpc-pool"}, "1k", 100, 3},
	{"kuafu", []string{"grpc", "grpc-pool"}, "1k", 1, 1.2},
	{"kuafu-plain", []string{"grpc", "grpc-pool", "thrift-binary", "thrift-compact", "drpc", "connect", "netrpc"}, "64k", 100, 0.8},
	{"kuafu-binary", []string{"thrift-binary"}, "1k", 1, 0.75},
	{"kuafu-binary", []string{"thrift-binary"}, "1k", 100, 0.75},
	{"kuafu-compact", []string{"thrift-compact"}, "1k", 100, 0.75},
}
