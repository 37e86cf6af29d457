package searchpath

// A system's own order of directories.

const (
	// Linux is what Docker gives an image without PATH, and its like.
	Linux = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// NetBSD is login.conf(5)'s, and pkgsrc's directories.
	NetBSD = "/sbin:/usr/sbin:/bin:/usr/bin:/usr/pkg/sbin:/usr/pkg/bin:/usr/local/sbin:/usr/local/bin"
)

// Of is the search path of an operating system as image-spec and Go name it;
// Linux's for one that is not known.
func Of(system string) string {
	if system == "netbsd" {
		return NetBSD
	}
	return Linux
}
