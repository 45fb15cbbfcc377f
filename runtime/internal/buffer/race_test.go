//go:build race

package buffer

const raceEnabled = true // pools drop things at random then
