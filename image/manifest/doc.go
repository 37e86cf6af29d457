// Package manifest reads the documents of images: index, manifest, config. It
// checks them by media type and by shape, so that no document can be read as two
// kinds (CVE-2021-41190), and picks the image for a platform. It never opens a
// layer, and where documents come from is image.Documents' matter.
package manifest
