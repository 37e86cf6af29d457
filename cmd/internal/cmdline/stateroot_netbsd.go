package cmdline

// Where root keeps the state, and what outlives it.

// StateRoot is the state directory unless --root names another.
const StateRoot = "/var/run/runcell"

// StateRootHelp says it in the help.
const StateRootHelp = StateRoot

// userStateDir is root's, for everybody: cells are root's here, and who may not
// look at them is told so by the system.
func userStateDir(func(string) string) (string, error) { return StateRoot, nil }

// DataRoot is the directory of what stays when the state is gone: images,
// data directories, roots of services.
const DataRoot = "/var/db/runcell"
