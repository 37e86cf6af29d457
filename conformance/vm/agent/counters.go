// Reading the kernel's counters, apart from the calls so that it is tested
// anywhere.

package main

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

// uvmCounters adds the pages that are neither free nor a program's nor a
// file's, nor of the bufmem bytes of the buffer cache: the kernel's own.
func uvmCounters(c protocol.Counters, b []byte, bufmem int64) error {
	if len(b) < 8*uvmFields {
		return fmt.Errorf("read vm.uvmexp2: %d bytes are too few", len(b))
	}
	field := func(i int) int64 { return int64(binary.NativeEndian.Uint64(b[8*i:])) }
	size := field(uvmPageSize)
	if size <= 0 {
		return fmt.Errorf("read vm.uvmexp2: pages of %d bytes", size)
	}
	c["kernel pages"] = field(uvmPages) - field(uvmFree) - field(uvmActive) - field(uvmInactive) - bufmem/size
	return nil
}

// struct pool_sysctl (sys/pool.h): a name of 16 bytes, then 64-bit integers.
const (
	poolNameSize = 16
	poolOut      = poolNameSize + 8*5  // pr_nout: objects in use or cached
	poolSize     = poolNameSize + 8*26 // at least; newer kernels may add
)

// poolCounters adds the objects in use in each of the kernel's pools, from
// kern.pool. size is the length of a record in bytes.
func poolCounters(c protocol.Counters, b []byte, size int) error {
	if size < poolSize || len(b)%size != 0 {
		return fmt.Errorf("read kern.pool: %d bytes are not records of %d", len(b), size)
	}
	for ; len(b) > 0; b = b[size:] {
		name, _, _ := bytes.Cut(b[:poolNameSize], []byte{0})
		c["pool "+string(name)] += int64(binary.NativeEndian.Uint64(b[poolOut:]))
	}
	return nil
}
