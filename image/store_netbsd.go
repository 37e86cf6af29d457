// Where root's store is.

package image

const rootStore = "/var/db/runcell/images"
