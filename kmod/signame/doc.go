// Package signame reads the names of signals as users and images write them: one
// reader for commands, containers and images.
package signame
