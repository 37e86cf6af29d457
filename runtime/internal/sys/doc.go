// Package sys has the system calls that several rooms make: small files, which
// process has a pid, detached mounts. It knows nothing of containers and cells,
// and never opens a path that leads through a container's root: inroot does.
package sys
