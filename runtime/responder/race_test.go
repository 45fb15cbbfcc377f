//go:build race

package responder

const raceEnabled = true // pools drop things at random then
