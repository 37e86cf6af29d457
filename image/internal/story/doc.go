// Package story is what the stories of image/ have in common: an image unpacked
// into a tree that must not change around it, a store and what is in it, a pull.
// A story is a test outside the package (package layer_test and the like): this
// one imports the rooms up to image/transfer, so no test inside them can.
// Nothing but tests imports it.
package story
