// Where the state is kept by root.
package main

const stateRoot = "/run/runcell"
