// Where the state is kept by root.
package main

const stateRoot = "/var/run/runcell"
