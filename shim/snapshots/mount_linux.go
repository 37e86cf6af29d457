package snapshots

// Linux: bind mounts.

// bindType is the type of a mount that shows a directory elsewhere; bindOption is
// the option that makes it one.
const (
	bindType   = "bind"
	bindOption = "rbind"
)
