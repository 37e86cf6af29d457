//go:build linux || netbsd

package nofile

// The limit is read when the package is initialised.

import "unsafe"

// Limit is RLIMIT_NOFILE, as both kernels' 64-bit calls have it.
type Limit struct{ Soft, Hard uint64 }

//go:linkname rawSyscall6 syscall.RawSyscall6
//go:noescape
func rawSyscall6(nr, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

var (
	inherited Limit
	known     bool
)

func init() {
	nr, args, ok := get(uintptr(unsafe.Pointer(&inherited)))
	if !ok {
		return
	}
	_, _, errno := rawSyscall6(nr, args[0], args[1], args[2], args[3], 0, 0)
	known = errno == 0
}

// Inherited is the limit that the caller gave this process. It is false where
// the kernel did not say.
func Inherited() (Limit, bool) { return inherited, known }
