package nofile

// getrlimit(2) by its number, which all ports share: package syscall, which
// has the number, would come first.

const (
	sysGetrlimit = 194
	rlimitNofile = 8
)

// get is getrlimit(2) into the memory at addr.
func get(addr uintptr) (nr uintptr, args [4]uintptr, ok bool) {
	return sysGetrlimit, [4]uintptr{rlimitNofile, addr}, true
}
