// Package oci turns an OCI config.json into a Plan: Load reads it, Compile
// maps every field onto a cell. It does no I/O after Load.
package oci
