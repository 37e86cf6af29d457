// Package bundle turns images into bundles (runtime-spec, bundle.md): a root file
// system, the config.json of image-spec's conversion.md, and image.json, which says
// what it was made of. It also tells what has changed in a bundle since.
//
// A bundle that has a config.json is whole; on any error what was made of it is
// removed. What an image says of itself never gives its own cell a right: labels
// that the runtime would read are left out. The package starts nothing, mounts
// nothing, and fetches nothing.
package bundle
