// Package image turns OCI images into bundles and root filesystems into
// images. Unpack reads an image layout (a directory or a tar archive), picks
// the manifest for a platform, applies its layers below BUNDLE/rootfs and
// writes BUNDLE/config.json; Pack does the reverse.
//
// An image is hostile until proven otherwise. Three rules hold everywhere:
//
//   - Every blob is read through a verifier: its size and digest must be those
//     of the descriptor that named it, a layer's content must have the DiffID
//     the config promises, and nothing may follow the end of an archive.
//   - A name from an image is only ever used as one path component relative to
//     a directory that is already open, and never followed if it is a link.
//     Links in the middle of a path mean what they will mean inside the cell:
//     "/" and ".." stop at the root of the tree.
//   - What an image can make us spend (memory, disk, entries, path length,
//     nesting) has a limit, see Limits.
//
// No external program takes part and nothing is mounted.
package image
