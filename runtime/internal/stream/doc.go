// Package stream is what both ends of a connection know about its streams, without any I/O.
//
// A Mux holds the streams of one connection. Frames that arrive are put into it, frames to send are taken out of it, and
// each Stream is where one call's messages go in and come out. Nothing blocks, reads a clock, starts a goroutine or
// takes a lock: the owner of the connection does all that, and this is the contract.
//
// # What the owner must do
//
// One lock (or one goroutine) guards a Mux and all its Streams. Call every function under it, except those of Message
// and Frame.
//
// Once the peer's preamble has shown FeatureStreams, make the Mux with NewMux. Without the feature there is no Mux, and
// Data, Credit and Reset frames end the connection as other unknown frames do. The own preamble must have announced
// Config.ConnWindow.
//
// To open a stream, a client calls Open, encodes the Call with the Stream option and Stream.Window, gives it its id,
// queues the frame, and calls Start with the id, all in one hold of the lock from the id on: the frames of a stream must
// come behind its Call. If the call is not sent after all, it calls Discard. A server that reads such a Call calls Open
// and Start at once, before it reads the next frame; the error of Open is the call's Error.
//
// Put every frame that arrives into the Mux in its order: Data into Mux.Data, Credit into Mux.Credit, Reset into
// Mux.Reset. On a client a Reply or Error for an id that Mux.Lookup knows goes into Mux.Finished; the owner keeps the
// Reply's bytes, in Stream.Owner's value. An error of these functions is a *wire.ConnError and ends the connection, with
// a GoAway. When the connection has ended for whatever reason, call Mux.Fail once.
//
// After each call, of whatever function, do two things before the lock is given up, or see that they are done soon:
//
//  1. If the call returned a Wake, wake the goroutines that it names. A Wake for which nobody waits is to be remembered,
//     as one does with a channel of capacity 1, or not needed because the waiter looks again under the lock.
//  2. While Mux.Ready and the outgoing queue has room, take Mux.Next and put the frame into the queue, in that order.
//     When the queue gets room again, go on. A frame that Next has returned must be written: it has been charged to the
//     peer's credit. If Frame.Drained, wake the goroutine in Send of Frame.Stream.
//
// Taking frames only while there is room keeps the queue short, so that control frames and small calls do not wait
// behind bulk. The frames of calls are none of the Mux's business and may be queued at any time, with one exception: the
// Reply or Error of a stream goes through Stream.Finish, because it has to follow the stream's Data.
//
// Call Mux.Hurry when a call that is no stream is sent, or arrives: the window is wide only where nothing but bulk is
// under way.
//
// A goroutine that sends calls Stream.Send, does step 2, and waits until Stream.Pending is 0 or Stream.Err is not nil.
// If it cannot wait any longer it calls Withdraw. Give instead of Send lets it go on at once, as far as its owner
// has memory for that. One that receives calls Stream.Recv until the error is not ErrWait,
// waiting for a Wake each time; step 2 follows each Recv, because what it consumed may be due as credit.
//
// Every stream ends with one call of Discard, when the application is done with it: on a client when the caller has its
// result or gave up, on a server after Finish. It gives back all memory, and resets a stream that is still open.
//
// A proxy opens its streams with Opaque: Recv then returns single chunks, with Message.More, to be given to Send as they
// are. It should take the next chunk off one side when Pending of the other is small: that is how back pressure passes
// through.
//
// # Who owns which bytes
//
// Send keeps its argument until Next has returned the last piece of it: pieces alias it. Give keeps it for good. Data copies a payload, or keeps
// it if told that it may. What Recv returns is the caller's.
package stream
