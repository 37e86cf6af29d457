// Package exeseal keeps the runcell binary safe from the containers that it
// enters: what a container sees of a runcell process must not be a way to write
// to the program (CVE-2019-5736). It changes nothing in a container.
package exeseal
