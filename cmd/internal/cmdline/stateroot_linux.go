package cmdline

// Where the state is kept by root.

// StateRoot is the state directory unless --root names another.
const StateRoot = "/run/runcell"
