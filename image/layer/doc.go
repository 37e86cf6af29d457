// Package layer is what stands between layers and trees: it applies a layer's
// tar archive to a tree (image-spec, layer.md, "Applying Changesets"), packs a
// tree as one, and compares two trees for what a layer on top of the first has
// to say.
//
// It reaches the trees through kmod/inroot alone, so no name of an image or of
// a root file system is ever followed out of them. It does not know where blobs
// come from or go to, nothing of manifests beyond one layer's descriptor, and
// runs no program.
package layer
