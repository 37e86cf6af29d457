package imagetest

// NetBSD has one tree of mounts.

func apart() error { return nil }
