// Where root's store is.

package store

const rootStore = "/var/lib/runcell/images"
