// Package fault has the points at which a test kills runcell, in binaries built
// with -tags faultinject; in others a point is nothing. It never changes what
// runcell does otherwise: there are no faults but SIGKILL.
package fault
