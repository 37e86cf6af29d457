package runtime

// cellsAreShared: the kernel has one list of cells for all state roots.
const cellsAreShared = true
