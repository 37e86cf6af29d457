// Package launch puts processes into a cell: a container's first one, which
// waits to be released, and more of them in a running container. The caller's
// wishes about terminal, descriptors and pid file are met here.
//
// It never decides what a container may do, which the Plan says and the kernel
// enforces, and a failed step takes back nothing itself: it notes its undo, and
// the lifecycle rolls back.
package launch
