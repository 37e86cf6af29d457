package process

// The Go runtime's watcher needs nothing here.

// Calm is nil: a sleep lasts a tick of the clock, ten milliseconds, at least.
var Calm func()

var forgetSlack func()
