// Package runtime is the suite for OCI runtimes: each file is a group of
// cases as a table, and each case names the clause of runtime-spec 1.3 or
// the caller whose contract it tests.
package runtime
