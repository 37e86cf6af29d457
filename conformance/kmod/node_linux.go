package kmod

import "golang.org/x/sys/unix"

// do has nothing to call: the emulator has no nodes. The cases that need them
// say OS NetBSD.
func (*nodeCall) do() reply { return replyTo(unix.ENOSYS) }
