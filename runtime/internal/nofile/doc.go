// Package nofile knows the limit of open files that this process began with.
// The Go runtime raises the soft limit before main, and keeps what it was to
// itself; a container is to have its caller's.
//
// It imports nothing that could be initialised later than package syscall, which
// raises the limit: packages are initialised in the order of their paths as far
// as their imports allow (Go specification, "Program initialization"), and this
// one allows it to be among the first.
package nofile
