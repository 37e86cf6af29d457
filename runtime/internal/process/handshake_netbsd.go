package process

// How descriptors are received on NetBSD.

// recvFlags keep received descriptors from leaking into the container
// (MSG_CMSG_CLOEXEC of NetBSD's sys/socket.h, absent from x/sys).
const recvFlags = 0x0800
