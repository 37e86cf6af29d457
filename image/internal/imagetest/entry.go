package imagetest

// Layers entry by entry, honest and not.

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Entry is an entry of a layer under construction, as tar(5) has it. The zero
// Mode means 0644 for files and 0755 for directories, the zero ModTime is Time.
type Entry struct {
	Name, Link string
	Type       byte // of archive/tar; 0: a file, or a directory if the name ends in /
	Body       string
	Mode       int64
	UID, GID   int64
	ModTime    time.Time
	PAX        map[string]string // records of the extended header
	Major      int64
	Minor      int64
}

// Time is when everything was made.
var Time = time.Unix(1_500_000_000, 0)

// Header is the entry's tar header.
func (e Entry) Header() *tar.Header {
	h := &tar.Header{
		Name: e.Name, Linkname: e.Link, Typeflag: e.Type, Mode: e.Mode, Uid: int(e.UID), Gid: int(e.GID),
		Size: int64(len(e.Body)), ModTime: e.ModTime, PAXRecords: e.PAX, Devmajor: e.Major, Devminor: e.Minor,
	}
	if h.ModTime.IsZero() {
		h.ModTime = Time
	}
	if h.Typeflag == 0 {
		h.Typeflag = tar.TypeReg
		if strings.HasSuffix(e.Name, "/") || e.Name == "." {
			h.Typeflag = tar.TypeDir
		}
	}
	if h.Mode == 0 {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeDir {
			h.Mode = 0o755
		}
	}
	return h
}

// Tar is the archive of these entries. It fails the test if archive/tar refuses
// one.
func Tar(tb testing.TB, entries ...Entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header()
		if int64(h.Uid) != e.UID || int64(h.Gid) != e.GID { // an int of 32 bits
			if err := tw.Flush(); err != nil {
				tb.Fatal(err)
			}
			b.Write(paxOwner(tb, e.UID, e.GID))
			h.Uid, h.Gid = 0, 0
		}
		if err := tw.WriteHeader(h); err != nil {
			tb.Fatalf("write header of %q: %v", e.Name, err)
		}
		if _, err := tw.Write([]byte(e.Body)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// paxOwner is the extended header that goes before an entry with large ids. The
// package tar does not write one by itself: it is a file of another type here.
func paxOwner(tb testing.TB, uid, gid int64) []byte {
	tb.Helper()
	b := Tar(tb, Entry{Name: "owner", Body: fmt.Sprintf("18 uid=%010d\n18 gid=%010d\n", uid, gid)})[:2*512]
	const typeAt, sumAt, sumEnd = 156, 148, 154
	b[typeAt] = tar.TypeXHeader
	sum, err := strconv.ParseInt(string(b[sumAt:sumEnd]), 8, 64)
	if err != nil {
		tb.Fatal(err)
	}
	copy(b[sumAt:sumEnd], fmt.Sprintf("%06o", sum+tar.TypeXHeader-tar.TypeReg))
	return b
}

// PAXRecords encodes key, value, key, value and so on as the body of an
// extended header (pax(1)).
func PAXRecords(kv ...string) string {
	var b strings.Builder
	for i := 0; i < len(kv); i += 2 {
		rest := " " + kv[i] + "=" + kv[i+1] + "\n"
		n := len(rest)
		for n != len(strconv.Itoa(n))+len(rest) {
			n = len(strconv.Itoa(n)) + len(rest)
		}
		b.WriteString(strconv.Itoa(n) + rest)
	}
	return b.String()
}

// RawTar is one entry that archive/tar would not write, without the trailer.
func RawTar(tb testing.TB, typ byte, name, body string) []byte {
	tb.Helper()
	data := Tar(tb, Entry{Name: name, Body: body})
	data = data[:len(data)-1024]
	data[156] = typ
	sum := 0
	copy(data[148:156], "        ")
	for _, b := range data[:512] {
		sum += int(b)
	}
	octal := ""
	for ; sum > 0; sum /= 8 {
		octal = string(rune('0'+sum%8)) + octal
	}
	copy(data[148:156], strings.Repeat("0", 6-len(octal))+octal+"\x00 ")
	return data
}
