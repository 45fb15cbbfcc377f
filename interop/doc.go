// Package interop tests Kuafu against other implementations of the protocols it speaks. It is a module of its own, so
// that those implementations are no dependencies of Kuafu's users.
package interop
