package runtime

// Whose cells there are: on Linux, the state root's.

// cellsAreShared: the emulator keeps its cells below the state root.
const cellsAreShared = false
