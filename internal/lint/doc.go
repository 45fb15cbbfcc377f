// Package lint holds the tests that keep the repository in order: which package may import which, that every package
// says what it is, and that what is generated is fresh. It has no code of its own.
package lint
