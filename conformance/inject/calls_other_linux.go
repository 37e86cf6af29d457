//go:build !amd64

package inject

// Calls of ports other than amd64.

// portCalls and portAlone are empty: there are none beyond those of every port.
var portCalls, portAlone = map[int]call(nil), map[int]string(nil)
