// Package attack is the adversary inside a cell: it tries everything, says
// what was not refused, and waits after each thing until the host has looked
// at what changed. It judges nothing.
package attack
