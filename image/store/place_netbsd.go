// Where root's store is.

package store

const rootStore = "/var/db/runcell/images"
