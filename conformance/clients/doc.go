// Package clients is the suite for container tools: podman, buildah, containerd
// and go-runc drive the runtime, with the commands that a user types. Each case
// is a session of a console, in sessions/ or in a page of the documentation: it
// says what must be shown. The sessions run with a second runtime too, and both
// have to show the same.
package clients
