// Package signals is what runcell does with the signals that it gets itself:
// while something is being made, one that asks to end takes it back; once a
// program runs, all go to it. It never sends a signal on its own account, and
// never knows whom they go to.
package signals
