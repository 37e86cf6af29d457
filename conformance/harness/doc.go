// Package harness runs black-box conformance cases against a program: it
// builds bundles, drives the runtime, watches for leftovers and prints TAP,
// JSON and a table. It knows nothing about the runtime under test but its
// command line.
package harness
