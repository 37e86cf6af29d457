package runtime

// cellsAreShared: the emulator keeps its cells below the state root.
const cellsAreShared = false
