package main

// Reading the kernel's counters, apart from the calls so that it is tested
// anywhere.

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

// struct uvmexp_sysctl (uvm/uvm_extern.h): 64-bit integers; these are the
// indexes of those that are read.
const (
	uvmPageSize = 0
	uvmPages    = 3
	uvmFree     = 4
	uvmActive   = 5
	uvmInactive = 6
	uvmFields   = 9
)

// kernelPages is the counter of the pages that are the kernel's own.
const kernelPages = "kernel pages outside of pools"

// kernelPageSize is no counter; it never changes.
const kernelPageSize = "bytes in a page"

// uvmCounters adds the pages that are neither free nor a program's nor a
// file's.
func uvmCounters(c protocol.Counters, b []byte) error {
	if len(b) < 8*uvmFields {
		return fmt.Errorf("read vm.uvmexp2: %d bytes are too few", len(b))
	}
	field := func(i int) int64 { return int64(binary.NativeEndian.Uint64(b[8*i:])) }
	size := field(uvmPageSize)
	if size <= 0 {
		return fmt.Errorf("read vm.uvmexp2: pages of %d bytes", size)
	}
	c[kernelPageSize] = size
	c[kernelPages] = field(uvmPages) - field(uvmFree) - field(uvmActive) - field(uvmInactive)
	return nil
}

// struct pool_sysctl (sys/pool.h): a name of 16 bytes, then 64-bit integers.
const (
	poolNameSize = 16
	poolPageSize = poolNameSize + 8*2
	poolOut      = poolNameSize + 8*5 // objects in use, or cached
	poolPages    = poolNameSize + 8*7
	poolSize     = poolNameSize + 8*26 // of the whole
)

// poolCounters adds the objects in use in each of the kernel's pools, from
// kern.pool, and takes the pools' pages out of the kernel's: which pools keep
// how many free objects is chance.
func poolCounters(c protocol.Counters, b []byte) error {
	if len(b)%poolSize != 0 || c[kernelPageSize] <= 0 {
		return fmt.Errorf("read kern.pool: %d bytes are not records of %d", len(b), poolSize)
	}
	for ; len(b) > 0; b = b[poolSize:] {
		field := func(at int) int64 { return int64(binary.NativeEndian.Uint64(b[at:])) }
		name, _, _ := bytes.Cut(b[:poolNameSize], []byte{0})
		c["pool "+string(name)] += field(poolOut)
		if !bytes.HasPrefix(name, []byte("kva-")) { // those hold addresses, not memory
			c[kernelPages] -= field(poolPages) * field(poolPageSize) / c[kernelPageSize]
		}
	}
	return nil
}
