//go:build !amd64

package inject

// This port has no calls beyond those that every port has.
var portCalls, portAlone = map[int]call(nil), map[int]string(nil)
