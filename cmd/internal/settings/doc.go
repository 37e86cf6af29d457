// Package settings is what an operator says of a container beside its image or
// bundle, in flags of "runcell run" and in declarations of services alike: one
// table of names, and one function that puts what was said into a
// configuration. It touches no file but the configuration's own, and has package
// oci judge what a cell can be.
package settings
