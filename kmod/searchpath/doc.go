// Package searchpath has the directories that are searched for programs where
// nobody says: PATH of an image without one, and of a process without one. It
// is data, for images and containers alike.
package searchpath
