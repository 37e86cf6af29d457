// Package reference reads the names of images, in the store and in registries,
// and the places of images, as users write them. It opens nothing: of a path
// that could mean two things it only asks what exists.
package reference
