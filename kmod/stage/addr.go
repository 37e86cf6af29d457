package stage

// Addresses of what a step points to.

import "unsafe"

// addr is the address of a heap object that a step's Keep holds.
func addr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
