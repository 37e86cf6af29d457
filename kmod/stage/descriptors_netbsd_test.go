package stage

import "golang.org/x/sys/unix"

// dupTo0 makes a copy of a descriptor that is 0.
func dupTo0(fd uintptr) Step { return Sys("dup", unix.SYS_DUP2, fd, 0) }
