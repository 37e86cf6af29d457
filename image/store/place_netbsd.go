package store

// Where root's store is.

const rootStore = "/var/db/runcell/images"
