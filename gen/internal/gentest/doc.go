// Package gentest uses the code that is generated from gen/testdata, which is in the directories below.
package gentest
