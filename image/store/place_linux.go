package store

// Where root's store is.

const rootStore = "/var/lib/runcell/images"
