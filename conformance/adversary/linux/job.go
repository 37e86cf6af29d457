package linux

// What the program is told: program/try.c has the same numbers.

import (
	"encoding/binary"
	"fmt"
)

// Descriptors of the program: it reads its job from one, and writes records to
// the other. They are higher than what attempts use.
const (
	JobFD    = 52
	ReportFD = 53
)

// Base is where the memory begins that arguments point to: Zeros bytes of
// nothing but zeros, then Laid bytes that the job has.
const (
	Base  = uintptr(0x60000000)
	Zeros = 64 << 10
	Laid  = 8 << 10
)

const (
	maxCalls = 64
	maxArgs  = 6
)

// Call is a number and its arguments.
type Call struct {
	Number uintptr
	Args   [maxArgs]uintptr
}

// Job is what the program reads: laid is what stands at Base+Zeros. The words
// are the program's, 4 or 8 bytes.
func Job(laid []byte, calls []Call, word int) ([]byte, error) {
	if len(laid) > Laid || len(calls) > maxCalls {
		return nil, fmt.Errorf("make job: %d bytes and %d calls: at most %d and %d", len(laid), len(calls), Laid, maxCalls)
	}
	b := make([]byte, Laid, Laid+word*(1+maxCalls*(1+maxArgs)))
	copy(b, laid)
	put := func(n uintptr) { b = append(b, binary.LittleEndian.AppendUint64(nil, uint64(n))[:word]...) }
	put(uintptr(len(calls)))
	for _, c := range calls {
		put(c.Number)
		for _, a := range c.Args {
			put(a)
		}
	}
	return b, nil
}
