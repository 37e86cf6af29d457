// Package protocol is what the host and the guest of a virtual machine agree
// on: the plan, a JSON file in the guest's image, and the report, lines on a
// serial port.
package protocol
