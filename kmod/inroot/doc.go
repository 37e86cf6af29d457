// Package inroot is the only one that makes system calls on names inside a
// directory: openat(2), mkdirat(2), linkat(2) and their kin, and those on
// extended attributes. An image, a container and its volumes decide what lies
// in a root, so no path is handed to the kernel whole: it is walked here one
// component at a time, and symbolic links are resolved here, with the root as
// "/". This is what openat2(RESOLVE_IN_ROOT) does, in a form that NetBSD can do
// too. cmd/internal/depcheck bans these calls everywhere else.
//
// Tree is a directory tree that is made, read or removed entry by entry, as
// an image's is. Dir is a container's root, in which single paths are looked
// up, made and mounted on.
//
// What the package never does: follow a link out of the root, take a name of
// more than one component to the kernel, or give away the descriptor of a
// directory as a number. Four doors lead out, and none of them to a name:
// File and os.File are regular files, opened for their content; Place is
// something to mount on or to ask the kernel about; a stage.Step makes a root
// the working directory of a child; Dir.OpenDevice gives a character device.
package inroot
