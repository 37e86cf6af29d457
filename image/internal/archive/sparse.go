package archive

// Files with holes. A layer has them as GNU tar's sparse format 1.0 (GNU tar
// manual, "PAX Format, Versions 1.0"), which every unpacker of layers reads: to
// write zeros instead would take minutes, and make a layer that is refused
// because it expands too much. archive/tar reads this format and does not write
// it.

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/stream"
)

const (
	// holeBlock is the piece of a file, at a multiple of its own size, that is a
	// hole or none, in bytes. What a hole is, is the content's matter and not the
	// file system's: the same tree gives the same layer, wherever it lies.
	holeBlock = 1 << 20
	// LeastHoles is how many bytes of a file must be holes for it to be packed
	// as a sparse one.
	LeastHoles = 16 << 20
	// mostParts bounds the map: archive/tar reads no more than 1 MiB of it.
	mostParts = 20_000
)

// Sparse finds what of a file of size bytes is no hole, in blocks of 1 MiB, if it is
// worth to be packed as a sparse one; else it gives nil. Holes that the file system
// knows of are not read.
func Sparse(ctx context.Context, f *os.File, size int64) ([]Part, error) {
	if size < LeastHoles {
		return nil, nil
	}
	list, err := parts(ctx, f, size)
	holes := size
	for _, s := range list {
		holes -= s.Size
	}
	if err != nil || holes < LeastHoles || len(list) > mostParts {
		return nil, err
	}
	return append(list, Part{size, 0}), nil // GNU tar ends the map so
}

func parts(ctx context.Context, f *os.File, size int64) (list []Part, err error) {
	buf := make([]byte, holeBlock)
	for at := int64(0); at < size; at += holeBlock {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if at = NextData(f, at, size); at >= size {
			break
		}
		n, err := f.ReadAt(buf[:min(holeBlock, size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if stream.IsZero(buf[:n]) {
			continue
		}
		if last := len(list) - 1; last >= 0 && list[last].Offset+list[last].Size == at {
			list[last].Size += int64(n)
		} else {
			list = append(list, Part{at, int64(n)})
		}
	}
	return list, nil
}

// NextData gives the block, at or after the one at a place, that the file system
// does not know to be a hole.
func NextData(f *os.File, at, size int64) int64 {
	next, err := seekData(f, at)
	if errors.Is(err, errNoData) {
		return size
	}
	if err != nil {
		return at
	}
	return max(at, next-next%holeBlock)
}

const tarBlock = 512

// Padding is how many bytes are missing in the last block of n bytes.
func Padding(n int64) int64 { return -n & (tarBlock - 1) }

// SparseHeader gives what comes before the data: the extended header, the header,
// and the map of the segments.
func SparseHeader(hdr *tar.Header, list []Part) ([]byte, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "%d\n", len(list))
	size := int64(0)
	for _, s := range list {
		fmt.Fprintf(&text, "%d\n%d\n", s.Offset, s.Size)
		size += s.Size
	}
	segments := padded([]byte(text.String()))
	records := maps.Clone(hdr.PAXRecords)
	maps.Copy(records, map[string]string{
		"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": hdr.Name, "GNU.sparse.realsize": strconv.FormatInt(hdr.Size, 10),
		"size": strconv.FormatInt(int64(len(segments))+size, 10), "uid": strconv.Itoa(hdr.Uid), "gid": strconv.Itoa(hdr.Gid),
		"mtime": paxTime(hdr.ModTime),
	})
	extended, err := paxRecords(records)
	if err != nil {
		return nil, err
	}
	first, err := tarHeader(tar.TypeXHeader, path.Join("PaxHeaders.0", "sparse"), int64(len(extended)), 0o644)
	if err != nil {
		return nil, err
	}
	second, err := tarHeader(tar.TypeReg, path.Join("GNUSparseFile.0", "sparse"), 0, hdr.Mode)
	return slices.Concat(first, padded(extended), second, segments), err
}

func padded(b []byte) []byte { return append(b, make([]byte, Padding(int64(len(b))))...) }

// paxRecords encodes records (pax(1), "pax Extended Header"): the length of each
// counts itself.
func paxRecords(records map[string]string) ([]byte, error) {
	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(records)) {
		if key == "" || strings.ContainsAny(key, "=\x00\n") {
			return nil, fmt.Errorf("the attribute's name %q can't be in an archive", key)
		}
		rest := " " + key + "=" + records[key] + "\n"
		n := len(rest)
		for n != len(rest)+len(strconv.Itoa(n)) {
			n = len(rest) + len(strconv.Itoa(n))
		}
		b.WriteString(strconv.Itoa(n) + rest)
	}
	return b.Bytes(), nil
}

// paxTime is a time in seconds, with a fraction if it has one.
func paxTime(t time.Time) string {
	sec, nsec := t.Unix(), int64(t.Nanosecond())
	if nsec == 0 {
		return strconv.FormatInt(sec, 10)
	}
	sign := ""
	if sec < 0 {
		sign, sec, nsec = "-", -(sec + 1), 1e9-nsec
	}
	return strings.TrimRight(fmt.Sprintf("%s%d.%09d", sign, sec, nsec), "0")
}

// tarHeader is a header's block, with a type that archive/tar does not write by
// itself. What is not given says the extended header.
func tarHeader(flag byte, name string, size, mode int64) ([]byte, error) {
	var b bytes.Buffer
	err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: mode, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR})
	if err != nil {
		return nil, err
	}
	const typeAt, sumAt, sumEnd = 156, 148, 156
	block := b.Bytes()
	block[typeAt] = flag
	copy(block[sumAt:sumEnd], "        ")
	sum := 0
	for _, c := range block {
		sum += int(c)
	}
	copy(block[sumAt:sumEnd], fmt.Sprintf("%06o\x00 ", sum))
	return block, nil
}
