// Package handler runs calls: a bounded queue, workers that decode the arguments and call the implementation, and the
// reply to each call.
package handler
