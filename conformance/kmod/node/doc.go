// Package node is the kernel interface as the suite reaches it: the client of
// the system at hand, and a raw call of one of the module's nodes for what no
// client would do. It knows neither cases nor the agent.
package node
