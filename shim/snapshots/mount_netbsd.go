package snapshots

// NetBSD: null mounts.

// bindType is the type of a mount that shows a directory elsewhere (mount_null(8)),
// which takes no option that says so.
const (
	bindType   = "null"
	bindOption = ""
)
