package supervise

// A log that goes to syslogd(8). The standard library's client would bring the
// whole of package net into every command.

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Facilities and levels (syslog.conf(5), RFC 3164, 4.1.1).
var (
	facilities = map[string]int{
		"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
		"authpriv": 10, "ftp": 11, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
	}
	levels = map[string]int{"emerg": 0, "alert": 1, "crit": 2, "err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}
)

// SyslogWords are what there is of FACILITY.LEVEL, in the words of syslog.conf(5).
func SyslogWords() (words []string) {
	for _, f := range slices.Sorted(maps.Keys(facilities)) {
		for _, l := range slices.Sorted(maps.Keys(levels)) {
			words = append(words, f+"."+l)
		}
	}
	return words
}

// Syslog is the value of --syslog.
type Syslog struct {
	priority int
	tag      string
}

// ParseSyslog reads FACILITY.LEVEL[,TAG]; without a tag it is tag.
func ParseSyslog(s, tag string) (y Syslog, err error) {
	where, own, tagged := strings.Cut(s, ",")
	facility, level, _ := strings.Cut(where, ".")
	f, okF := facilities[facility]
	l, okL := levels[level]
	if !okF || !okL {
		return y, fmt.Errorf("syslog %q: want FACILITY.LEVEL[,TAG] in the words of syslog.conf(5), such as daemon.info", s)
	}
	if tagged {
		tag = own
	}
	const longest = 32 // RFC 3164, 4.1.3
	if tag == "" || len(tag) > longest || strings.ContainsFunc(tag, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' || r == '[' }) {
		return y, fmt.Errorf("syslog: the tag %q: want 1 to %d printable characters without blanks, colons and brackets", tag, longest)
	}
	return Syslog{f<<3 | l, tag}, nil
}

// syslogSockets are where syslogd listens: Linux, NetBSD.
var syslogSockets = []string{"/dev/log", "/var/run/log"}

// longestLine is what of a line goes into one message, in bytes: a receiver may
// cut at 1024 (RFC 3164, 4.1).
const longestLine = 900

// patience is how long a syslogd that is there may take for one message: a
// burst fills its socket, which Linux has a sender wait for.
const patience = 500 * time.Millisecond

type syslog struct {
	Syslog
	fd   int    // -1 = not connected
	hung bool   // it took nothing for patience: nobody waits for it until it takes a line
	rest []byte // a line that has not ended
}

// Open connects to syslogd. One that is not there is an error now, and not later.
func (y Syslog) Open() (Sink, error) {
	s := &syslog{Syslog: y, fd: -1}
	if err := s.connect(); err != nil {
		return nil, fmt.Errorf("connect to syslogd: %w", err)
	}
	return s, nil
}

func (s *syslog) connect() (err error) {
	for _, path := range syslogSockets {
		fd, serr := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if serr != nil {
			return serr
		}
		limit := unix.NsecToTimeval(patience.Nanoseconds())
		cerr := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit)
		if cerr == nil {
			cerr = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		}
		if cerr == nil {
			s.fd = fd
			return nil
		}
		_ = unix.Close(fd)
		err = errors.Join(err, fmt.Errorf("%s: %w", path, cerr))
	}
	return err
}

// Write sends the lines that are whole. What it gives counts bytes of p.
func (s *syslog) Write(p []byte) (int, error) {
	done := 0
	for len(p) > done {
		line, _, whole := bytes.Cut(p[done:], []byte("\n"))
		room := longestLine - len(s.rest)
		if len(line) > room {
			line, whole = line[:room], false
		}
		s.rest = append(s.rest, line...)
		if whole || len(s.rest) == longestLine {
			if err := s.send(); err != nil {
				return done, err
			}
		}
		done += len(line)
		if whole {
			done++
		}
	}
	return done, nil
}

// send sends what is in rest, to a new syslogd if the old one is gone.
func (s *syslog) send() error {
	line := bytes.TrimRight(s.rest, "\r")
	s.rest = s.rest[:0]
	if len(line) == 0 {
		return nil
	}
	text := fmt.Appendf(nil, "<%d>%s %s: %s", s.priority, time.Now().Format(time.Stamp), s.tag, line)
	if s.fd >= 0 {
		if err := s.post(text); err == nil || s.hung {
			return err
		}
		s.Reopen()
	}
	if err := s.connect(); err != nil {
		return err
	}
	return s.post(text)
}

// post sends one message. One that is not taken within patience is lost, and then
// each is that is not taken at once.
func (s *syslog) post(text []byte) error {
	flags := 0
	if s.hung {
		flags = unix.MSG_DONTWAIT
	}
	limit := time.Now().Add(patience)
	for {
		err := unix.Send(s.fd, text, flags)
		if errors.Is(err, unix.EINTR) && time.Now().Before(limit) {
			continue
		}
		s.hung = errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
		return err
	}
}

func (s *syslog) Reopen() {
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
}

func (s *syslog) Close() error {
	err := s.send()
	s.Reopen()
	return err
}
