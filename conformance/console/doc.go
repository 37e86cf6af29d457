// Package console reads sessions of a console, as text, and plays them: what a
// user types and what the screen shows. Sessions are cases of suites, or blocks of
// the documentation's pages, of which each says where it can be typed. It knows
// no tool and no system: it starts a shell and nothing else.
package console
