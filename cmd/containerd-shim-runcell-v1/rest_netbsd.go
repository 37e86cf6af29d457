package main

// NetBSD has no call that gives back a file's pages: the kernel takes them when it
// needs them.

func dropProgram() {}
