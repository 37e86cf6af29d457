// Where the state is kept by root.

package cmdline

// StateRoot is the state directory unless --root names another.
const StateRoot = "/var/run/runcell"
