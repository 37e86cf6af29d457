package bundle

// What a runtime config needs to know about NetBSD.

// ttyGroup is the group of terminals in NetBSD's /etc/group.
const ttyGroup = "4"
