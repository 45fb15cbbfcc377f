package rpc

import (
	"context"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// DeferralOf is a Deferral that takes what the method would have returned: a T, or an error. Generated code has a
// function for each method that makes one, such as DeferStoreGet. Everything said of Deferral holds for it.
type DeferralOf[T any] struct {
	deferral *Deferral
	outcome  func(T, error) (codec.Encodable, error)
}

// DeferOf is Defer for a call of m. outcome turns what m returns into its result struct, as Handler.Invoke says.
// Generated code calls it. A call of another method is FailedPrecondition.
func DeferOf[T any](ctx context.Context, m *Method, outcome func(T, error) (codec.Encodable, error)) (*DeferralOf[T], error) {
	d, err := deferCallOf(ctx, m)
	if err != nil {
		return nil, err
	}
	return &DeferralOf[T]{d, outcome}, nil
}

// Context returns the call's context. It goes on after the implementation has returned, until the call is answered.
func (d *DeferralOf[T]) Context() context.Context { return d.deferral.Context() }

// Reply answers the call with its result. It reports whether this is what the caller gets.
func (d *DeferralOf[T]) Reply(result T) bool { return d.deferral.answer(d.outcome(result, nil)) }

// Fail answers the call with an error, as if the implementation had returned it: a declared exception reaches the caller
// as such. It reports whether this is what the caller gets.
func (d *DeferralOf[T]) Fail(err error) bool {
	if err == nil {
		return d.deferral.Fail(nil)
	}
	var none T
	return d.deferral.answer(d.outcome(none, err))
}

// VoidDeferral is a DeferralOf for methods without a result.
type VoidDeferral struct {
	deferral *Deferral
	outcome  func(error) (codec.Encodable, error)
}

// DeferVoid is DeferOf for methods without a result.
func DeferVoid(ctx context.Context, m *Method, outcome func(error) (codec.Encodable, error)) (*VoidDeferral, error) {
	d, err := deferCallOf(ctx, m)
	if err != nil {
		return nil, err
	}
	return &VoidDeferral{d, outcome}, nil
}

// Context returns the call's context. It goes on after the implementation has returned, until the call is answered.
func (d *VoidDeferral) Context() context.Context { return d.deferral.Context() }

// Reply tells the caller that the call is done. It reports whether this is what the caller gets.
func (d *VoidDeferral) Reply() bool { return d.deferral.answer(d.outcome(nil)) }

// Fail is DeferralOf's.
func (d *VoidDeferral) Fail(err error) bool {
	if err == nil {
		return d.deferral.Fail(nil)
	}
	return d.deferral.answer(d.outcome(err))
}

// deferCallOf is Defer, which cannot know the type of the result: that of another method would be sent as it is.
func deferCallOf(ctx context.Context, m *Method) (*Deferral, error) {
	if c := CallFrom(ctx); c != nil && c.Handler != nil && c.Handler.Method.origin() != m.origin() {
		return nil, Errorf(FailedPrecondition, "a call of %s cannot be deferred as one of %s", c.Handler.Method.FullName, m.FullName)
	}
	return Defer(ctx)
}

// answer settles d with what an implementation returns.
func (d *Deferral) answer(result codec.Encodable, err error) bool {
	if result != nil {
		return d.Reply(result)
	}
	return d.Fail(err)
}
