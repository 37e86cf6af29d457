package image

// The guest's /dev, as data.

import "cmp"

// device is a node of /dev. Device numbers belong to a port: these are
// amd64's, from sys/arch/amd64/conf/majors.amd64 and sys/conf/majors; the
// minors are those of etc/MAKEDEV.tmpl. Only an image has to know them: a
// running system is asked (stat(2)).
type device struct {
	name         string
	block        bool
	major, minor int
	mode         int
}

// majors are the numbers of other ports where they are not amd64's.
var majors = map[string]map[string]int{
	"i386": {"clockctl": 89, "ksyms": 101},
}

func (d *device) majorOn(port string) int { return cmp.Or(majors[port][d.name], d.major) }

// A disk's unit has 16 partitions; the fourth is the whole disk.
const (
	diskUnit  = 16
	wholeDisk = 3
)

var devices = []device{
	{"console", false, 0, 0, 0o600},
	{"constty", false, 0, 1, 0o600},
	{"tty", false, 1, 0, 0o666},
	{"mem", false, 2, 0, 0o640},
	{"kmem", false, 2, 1, 0o640},
	{"null", false, 2, 2, 0o666},
	{"full", false, 2, 11, 0o666},
	{"zero", false, 2, 12, 0o666},
	{"klog", false, 7, 0, 0o600},
	{"tty00", false, 8, 0, 0o600},
	{"tty01", false, 8, 1, 0o600},
	{"stdin", false, 22, 0, 0o666},
	{"stdout", false, 22, 1, 0o666},
	{"stderr", false, 22, 2, 0o666},
	{"bpf", false, 23, 0, 0o600},
	{"random", false, 46, 0, 0o444},
	{"urandom", false, 46, 1, 0o644},
	{"clockctl", false, 79, 0, 0o660},
	{"ksyms", false, 85, 0, 0o440},
	{"ptmx", false, 165, 0, 0o666},
	{"ptm", false, 165, 1, 0o666},
	{"drvctl", false, 167, 0, 0o644},
	{"npf", false, 198, 0, 0o600},
	{"wd0a", true, 0, 0, 0o640},
	{"wd0d", true, 0, wholeDisk, 0o640},
	{"rwd0a", false, 3, 0, 0o640},
	{"rwd0d", false, 3, wholeDisk, 0o640},
	{"wd1a", true, 0, diskUnit, 0o640},
	{"wd1d", true, 0, diskUnit + wholeDisk, 0o640},
	{"rwd1d", false, 3, diskUnit + wholeDisk, 0o640},
	{"ld0a", true, 19, 0, 0o640},
	{"ld0d", true, 19, wholeDisk, 0o640},
	{"rld0d", false, 69, wholeDisk, 0o640},
	{"vnd0a", true, 14, 0, 0o640},
	{"vnd0d", true, 14, wholeDisk, 0o640},
	{"rvnd0d", false, 41, wholeDisk, 0o640},
}

// directory is one that the image has beside those of its files.
type directory struct {
	path string
	mode int
}

// directories are mount points, and what programs take for granted.
var directories = []directory{
	{"dev", 0o755},
	{"dev/fd", 0o755},
	{"dev/pts", 0o755},
	{"etc", 0o755},
	{"mnt", 0o755},
	{"proc", 0o555},
	{"root", 0o700},
	{"tmp", 0o1777},
	{"var", 0o755},
	{"var/run", 0o755},
	{"var/tmp", 0o1777},
}
