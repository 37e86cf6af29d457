package bundle

// What a runtime config needs to know about Linux.

// ttyGroup is the group of terminals: Debian's, which the ABI of glibc's
// grantpt made everyone's.
const ttyGroup = "5"
