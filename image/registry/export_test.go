package registry

// What the stories of registries look at.
var (
	CheckRedirect = checkRedirect
	IsLoopback    = isLoopback
	ErrStalled    = errStalled
)
