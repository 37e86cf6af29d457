// Package image has the words that the rooms below it share: limits, notes,
// compressions, where images come from. It does nothing itself. The rooms turn
// OCI images into bundles and root file systems into images; imports run
// downward only:
//
//	sets, pack          release sets and root file systems to images
//	bundle              images to bundles: rootfs, config.json, what changed
//	transfer            pull, import, push
//	store               the content store
//	layer               tar archives to trees and back
//	layout, dockerarchive, registry   where images come from
//	trust               keys, the policy that demands them, signatures
//	manifest            documents: which image, of which layers
//	reference           names and places
//	internal            mechanisms, and what tests share
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
