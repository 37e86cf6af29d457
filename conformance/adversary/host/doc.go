// Package host is the adversary's other side: it makes cells, victims and the
// objects that a cell must not reach, lets adversaries loose, and looks after
// each thing that they try at what has changed. It runs on NetBSD only.
package host
