package client

import (
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// errTransient is how an attempt has failed whose reply holds a transient exception: the rules take it for the answer of a
// server that wants to be asked again, which is no reason to blame it or to leave it. Nobody outside of this package gets
// it. Where no attempt follows, the call has ended as with any exception: without an error, and with a result that holds it.
// As long as it is the last failure nothing else has been decoded into the result.
var errTransient = &rpc.Error{
	Code: rpc.Aborted, Message: "a transient exception", Execution: rpc.Executed, Remote: true, Advice: rpc.AdviceRetry,
}

// repeatable returns result if it can tell that it holds a transient exception, and k may be sent again because of that;
// else nil. The handler has run, so the method has to be idempotent: the number of an at-most-once call would only bring
// back the same exception.
func repeatable(k *call, result codec.Decodable) rpc.Transient {
	if k.retry != rpc.RetryIdempotent {
		return nil
	}
	t, _ := result.(rpc.Transient)
	return t
}

// answer is finish for an attempt that another one may follow.
func (cn *conn) answer(k *call, result codec.Decodable) *rpc.Error {
	if err := cn.finish(k, result); err != nil {
		return err
	}
	if t := repeatable(k, result); t != nil && t.TransientFailure() {
		return errTransient
	}
	return nil
}
