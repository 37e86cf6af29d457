// Package snapshots is a snapshotter for containerd (a proxy plugin of type
// snapshot): it keeps the trees of images, and gives each container a root
// without copying the image.
//
// A container's root is a small directory of its own. Of the top-level
// directories of its image it has copies of those that are meant to be written
// to (/etc, /var, /tmp and so on); the others, where the programs are, are mounted
// read-only from the image's tree, which all containers of the image share. What
// containerd is given are plain bind or null mounts, those of the shared
// directories with a target: whoever mounts all of them sees the whole tree, so
// that a root can be compared with its image, and committed.
//
// On disk:
//
//	lock                       held by the one process that serves the directory
//	snapshots/ID/record.json   what the snapshot is; it is replaced as a whole
//	snapshots/ID/fs            its tree
//	temp/ID                    what is being made or removed: a leftover at start
//
// Each step that counts is one rename(2), so a snapshotter that is killed has
// made a snapshot, committed it and removed it either wholly or not at all.
// Nothing inside of a tree is reached but through kmod/inroot.
package snapshots
