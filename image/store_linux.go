// Where root's store is.

package image

const rootStore = "/var/lib/runcell/images"
