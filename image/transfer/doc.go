// Package transfer moves whole images: from registries, layouts and archives into
// the store, and out of it. An image gets its name last, when all of it is there
// and verified. It neither unpacks nor changes one.
package transfer
