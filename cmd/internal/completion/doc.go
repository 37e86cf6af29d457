// Package completion tells a shell what can stand where the cursor is. The
// scripts of the shells hand over what is typed and print what comes back:
// nothing that is typed is executed, and nothing is expanded.
package completion
