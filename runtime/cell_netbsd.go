package runtime

// Whose cells there are: on NetBSD, the kernel's.

// cellsAreShared: the kernel has one list of cells for all state roots.
const cellsAreShared = true
