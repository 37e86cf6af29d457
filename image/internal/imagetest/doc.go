// Package imagetest is the material of the tests of image/: layers made entry by
// entry, layouts and archives with every chance to lie, a registry that breaks,
// a canary tree for around every target, trees compared as a user sees them, and
// the sweep for what a package's tests leave behind.
//
// It imports no room above image/manifest, so the unit tests inside the packages
// can use it too. What drives those rooms (unpack, import, pull) is in package
// story. Nothing but tests imports either.
package imagetest
