// Package task is the service that containerd calls: version 2 and 3 of the task
// API, which are the same on the wire. A container is a value with a lock of its
// own, so that no other waits for it; a process is one with three states:
// created, running, ended.
package task
