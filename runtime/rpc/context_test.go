package rpc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestContextOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Call{Deadline: time.Now().Add(time.Second)}
		ctx := c.Context()
		if CallFrom(ctx) != c || CallFrom(context.Background()) != nil {
			t.Error("CallFrom is wrong")
		}
		if d, ok := ctx.Deadline(); !ok || !d.Equal(c.Deadline) {
			t.Errorf("deadline %v, %v", d, ok)
		}
		child, stop := context.WithCancel(context.WithValue(ctx, callKey{}, nil))
		defer stop()
		began := time.Now()
		<-child.Done()
		if d := time.Since(began); d != time.Second {
			t.Errorf("ended after %v", d)
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Errorf("%v, %v", ctx.Err(), child.Err())
		}
	})
}

// A deadline counts even if nobody has asked for Done, so that no timer was started.
func TestDeadlineWithoutDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Call{Deadline: time.Now().Add(time.Second)}
		ctx := c.Context()
		time.Sleep(time.Second - 1)
		if err := ctx.Err(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Nanosecond)
		if err := ctx.Err(); err != context.DeadlineExceeded {
			t.Error(err)
		}
		select {
		case <-ctx.Done():
		default:
			t.Error("not done")
		}
	})
}

func TestCancelBeforeContext(t *testing.T) {
	c := new(Call)
	c.Cancel(context.Canceled)
	c.Cancel(context.DeadlineExceeded) // the first counts
	ctx := c.Context()
	<-ctx.Done()
	if ctx.Err() != context.Canceled {
		t.Error(ctx.Err())
	}
	ran := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { close(ran) })
	<-ran
	if stop() {
		t.Error("stopped what had run")
	}
}

func TestAfterFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(Call)
		ctx := c.Context()
		var ran [2]bool
		stop := context.AfterFunc(ctx, func() { ran[0] = true })
		context.AfterFunc(ctx, func() { ran[1] = true })
		if !stop() || stop() {
			t.Error("stop is wrong")
		}
		child, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		synctest.Wait()
		if child.Err() != nil || ran[1] {
			t.Fatal("too early")
		}
		c.Cancel(context.Canceled)
		synctest.Wait()
		if ran != [2]bool{false, true} || child.Err() != context.Canceled {
			t.Errorf("ran %v, child %v", ran, child.Err())
		}
	})
}

// Many parts of a program may look at one context while it ends.
func TestContextConcurrently(t *testing.T) {
	for range 100 {
		c := &Call{Deadline: time.Now().Add(time.Hour)}
		ctx := c.Context()
		done := make(chan struct{})
		for range 4 {
			go func() {
				child, cancel := context.WithCancel(ctx)
				defer cancel()
				<-child.Done()
				ctx.Err()
				done <- struct{}{}
			}()
		}
		go c.Cancel(context.Canceled)
		go c.Cancel(context.DeadlineExceeded)
		for range 4 {
			<-done
		}
	}
}
