// Package netbsd is what containerd, moby/sys and nerdctl need of NetBSD and
// golang.org/x/sys does not have: mounting, the mount table, names of signals,
// modes and attributes of files. docs/containerd-netbsd.md says where each
// function goes. It depends on x/sys alone, so that those projects can take
// its files as they are; runcell itself does not use it.
package netbsd
