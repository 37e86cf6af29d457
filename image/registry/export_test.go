package registry

import "time"

// What the stories of registries look at.
var (
	CheckRedirect = checkRedirect
	IsLoopback    = isLoopback
	ErrStalled    = errStalled
)

// SetStallTimeout sets how long a registry may say nothing, and gives what it was.
func SetStallTimeout(d time.Duration) (old time.Duration) {
	old, stallTimeout = stallTimeout, d
	return old
}
