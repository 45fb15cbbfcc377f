// Package faults has tests that kill, stop, drain and flood servers in processes of their own, and measure what callers
// notice.
package faults
