package image

// ttyGroup is the group of terminals in NetBSD's /etc/group.
const ttyGroup = "4"
