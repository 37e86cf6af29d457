package calls

// Requests of ioctl(2).

import (
	"fmt"
	"slices"
	"strconv"
)

// Ioctls are the names of requests that have one, for a port: amd64 or 386.
func Ioctls(port string) (map[uint32]string, error) {
	names := map[uint32]string{}
	return names, lines("ioctls_"+port+".txt", func(f []string) error {
		code, err := strconv.ParseUint(f[1], 0, 32)
		if err != nil || len(f) != 2 {
			return fmt.Errorf("%q is no name and code", f)
		}
		names[uint32(code)] = f[0]
		return nil
	})
}

// Parts of a request's code (sys/ioccom.h): what is copied in which direction,
// how many bytes, the group, the number in it.
const (
	ioctlVoid, ioctlOut, ioctlIn = 0x20000000, 0x40000000, 0x80000000
	groupShift, sizeShift        = 8, 16
)

// ioctlSizes are those of the arguments of nearly all requests. All groups that
// are in use have a letter; of others, only what takes a number is tried.
var (
	ioctlSizes  = []uint32{4, 8, 16, 32, 144}
	numberSizes = []uint32{4}
)

// Groups is how many groups there are, each with as many numbers.
const Groups = 256

// Group gives the requests of a group: each number of it, with every direction
// and the usual sizes, and those that have a name.
func Group(group uint32, names map[uint32]string) []uint32 {
	var codes []uint32
	sizes := numberSizes
	if letter := group | 0x20; letter >= 'a' && letter <= 'z' {
		sizes = ioctlSizes
	}
	for n := range uint32(Groups) {
		low := group<<groupShift | n
		codes = append(codes, ioctlVoid|low)
		for _, size := range sizes {
			for _, way := range []uint32{ioctlOut, ioctlIn, ioctlOut | ioctlIn} {
				codes = append(codes, way|size<<sizeShift|low)
			}
		}
	}
	for c := range names {
		if c>>groupShift&0xff == group && !slices.Contains(codes, c) {
			codes = append(codes, c)
		}
	}
	return codes
}
