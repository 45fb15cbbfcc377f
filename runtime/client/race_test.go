//go:build race

package client

const raceEnabled = true // pools drop things at random then
