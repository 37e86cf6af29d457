// This file lets run.go declare functions without a body (go:linkname).
