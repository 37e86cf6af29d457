// Package supervise keeps a program going: it says when one that has ended is
// started again, and writes what it prints to where logs are rotated. It knows
// no containers: what a life of the program is, its caller says.
package supervise
