// Every attack on an unpacker that we know of, as a generated layer. A
// refused one names the layer and the entry; one that is harmless inside the
// tree is applied there. unpackIn checks that nothing around it changed.

package image

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var attacks = []struct {
	name   string
	layers [][]ent
	refuse string   // part of the reason
	tree   []string // else what is there
}{
	{
		"CVE-2021-29136: the root replaced by a link",
		[][]ent{{{name: ".", typ: tar.TypeSymlink, link: "/etc"}}},
		"replace the root directory", nil,
	},
	{
		"the root replaced by a link, spelled /",
		[][]ent{{{name: "/", typ: tar.TypeSymlink, link: "../../victim"}}},
		"replace the root directory", nil,
	},
	{
		"the root replaced by a hard link",
		[][]ent{{{name: "f"}, {name: "./", typ: tar.TypeLink, link: "f"}}},
		"replace the root directory", nil,
	},
	{
		"the root replaced by a file in an upper layer",
		[][]ent{{{name: "f"}}, {{name: "././.", typ: tar.TypeFifo}}},
		"replace the root directory", nil,
	},
	{
		"dot-dot at the start",
		[][]ent{{{name: "../file", body: "x"}}},
		`".." in the name`, nil,
	},
	{
		"dot-dot in the middle, lexically inside",
		[][]ent{{{name: "a/"}, {name: "a/../b", body: "x"}}},
		`".." in the name`, nil,
	},
	{
		"dot-dot as a directory",
		[][]ent{{{name: "../", mode: 0o777}}},
		`".." in the name`, nil,
	},
	{
		"an absolute name is relative to the root",
		[][]ent{{{name: "/etc/passwd", body: "x"}}},
		"",
		[]string{"etc d 0755", "etc/passwd f 0644 1"},
	},
	{
		"CVE-2026-46703: an absolute link, then a write through it",
		[][]ent{{{name: "e", typ: tar.TypeSymlink, link: "/etc"}, {name: "e/passwd", body: "x"}}},
		"",
		[]string{"e l 0777 -> /etc", "etc d 0755", "etc/passwd f 0644 1"},
	},
	{
		"a relative link out, then a write through it",
		[][]ent{{{name: "e", typ: tar.TypeSymlink, link: "../../victim"}, {name: "e/file", body: "x"}}},
		"",
		[]string{"e l 0777 -> ../../victim", "victim d 0755", "victim/file f 0644 1"},
	},
	{
		"CVE-2026-85731: a chain of links inside lexically, outside when resolved",
		[][]ent{{
			{name: "a/b/"},
			{name: "a/b/up", typ: tar.TypeSymlink, link: "../.."},
			{name: "out", typ: tar.TypeSymlink, link: "a/b/up/../../victim"},
			{name: "out/file", body: "x"},
		}},
		"",
		[]string{"a d 0755", "a/b d 0755", "a/b/up l 0777 -> ../..", "out l 0777 -> a/b/up/../../victim", "victim d 0755", "victim/file f 0644 1"},
	},
	{
		"a link made in a lower layer",
		[][]ent{{{name: "e", typ: tar.TypeSymlink, link: "/../../../../etc"}}, {{name: "e/passwd", body: "x"}}},
		"",
		[]string{"e l 0777 -> /../../../../etc", "etc d 0755", "etc/passwd f 0644 1"},
	},
	{
		"links in a circle",
		[][]ent{{{name: "a", typ: tar.TypeSymlink, link: "b"}, {name: "b", typ: tar.TypeSymlink, link: "a"}, {name: "a/f"}}},
		"too many levels of symbolic links", nil,
	},
	{
		"a file written over a link does not follow it",
		[][]ent{{{name: "f", typ: tar.TypeSymlink, link: "../../../file"}}, {{name: "f", body: "x"}}},
		"",
		[]string{"f f 0644 1"},
	},
	{
		"CVE-2021-32760: a directory entry over a link changes no mode behind it",
		[][]ent{{{name: "d", typ: tar.TypeSymlink, link: "../../../victim"}}, {{name: "d/", mode: 0o777}}},
		"",
		[]string{"d d 0777"},
	},
	{
		"CVE-2026-17106: an absolute hard link is relative to the root",
		[][]ent{{{name: "etc/passwd", body: "in"}, {name: "h", typ: tar.TypeLink, link: "/etc/passwd"}}},
		"",
		[]string{"etc d 0755", "etc/passwd f 0644 2", "h f 0644 2 = etc/passwd"},
	},
	{
		"a hard link to a host file",
		[][]ent{{{name: "h", typ: tar.TypeLink, link: "/etc/passwd"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link with dot-dot",
		[][]ent{{{name: "h", typ: tar.TypeLink, link: "../../file"}}},
		`".." in the name`, nil,
	},
	{
		"CVE-2026-50163: a relative hard link is not relative to the working directory",
		[][]ent{{{name: "h", typ: tar.TypeLink, link: "attack_test.go"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link through a link",
		[][]ent{{{name: "e", typ: tar.TypeSymlink, link: "../../.."}, {name: "h", typ: tar.TypeLink, link: "e/file"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link to a link does not follow it",
		[][]ent{{{name: "s", typ: tar.TypeSymlink, link: "../../file"}, {name: "h", typ: tar.TypeLink, link: "s"}}},
		"",
		[]string{"h l 0777 -> ../../file", "s l 0777 -> ../../file = h"},
	},
	{
		"a hard link to a later entry",
		[][]ent{{{name: "h", typ: tar.TypeLink, link: "later"}, {name: "later"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link to itself",
		[][]ent{{{name: "h", typ: tar.TypeLink, link: "h"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link to a directory",
		[][]ent{{{name: "d/"}, {name: "h", typ: tar.TypeLink, link: "d"}}},
		"a hard link to a directory", nil,
	},
	{
		"a hard link to the root",
		[][]ent{{{name: "h", typ: tar.TypeLink, link: "/"}}},
		"it is the root directory", nil,
	},
	{
		"a hard link that replaces the directory its target is in",
		[][]ent{{{name: "d/f"}, {name: "d", typ: tar.TypeLink, link: "d/f"}}},
		"no such file", nil,
	},
	{
		"a file is written over one name of two, the other stays",
		[][]ent{{{name: "a", body: "old"}, {name: "b", typ: tar.TypeLink, link: "a"}}, {{name: "b", body: "new!"}}},
		"",
		[]string{"a f 0644 3", "b f 0644 4"},
	},
	{
		"a bare whiteout",
		[][]ent{{{name: "f"}}, {{name: ".wh."}}},
		"a whiteout without a name", nil,
	},
	{
		"a whiteout of dot-dot",
		[][]ent{{{name: "a/f"}}, {{name: "a/.wh..."}}},
		`a whiteout of ".."`, nil,
	},
	{
		"a whiteout of dot",
		[][]ent{{{name: "a/f"}}, {{name: "a/.wh.."}}},
		`a whiteout of "."`, nil,
	},
	{
		"a whiteout of a whiteout",
		[][]ent{{{name: "f"}}, {{name: ".wh..wh.f"}}},
		"a whiteout of a name that starts with .wh.", nil,
	},
	{
		"a directory named like a whiteout",
		[][]ent{{{name: ".wh.d/f"}}},
		"reserved for whiteouts", nil,
	},
	{
		"a whiteout through a link that leads out",
		[][]ent{{{name: "e", typ: tar.TypeSymlink, link: "../../victim"}, {name: "keep"}}, {{name: "e/.wh.file"}}},
		"",
		[]string{"e l 0777 -> ../../victim", "keep f 0644 0"},
	},
	{
		"a whiteout through a link inside",
		[][]ent{{{name: "e", typ: tar.TypeSymlink, link: "/d"}, {name: "d/f"}, {name: "d/g"}}, {{name: "e/.wh.f"}}},
		"",
		[]string{"d d 0755", "d/g f 0644 0", "e l 0777 -> /d"},
	},
	{
		"an opaque marker through a link that leads out",
		[][]ent{{{name: "e", typ: tar.TypeSymlink, link: "../../victim"}}, {{name: "e/.wh..wh..opq"}}},
		"",
		[]string{"e l 0777 -> ../../victim"},
	},
	{
		"a whiteout of a link removes the link",
		[][]ent{{{name: "e", typ: tar.TypeSymlink, link: "../../victim"}}, {{name: ".wh.e"}}},
		"", nil,
	},
	{
		"a file under a file",
		[][]ent{{{name: "f"}}, {{name: "f/g"}}},
		"not a directory", nil,
	},
	{
		"a name of 4 KiB",
		[][]ent{{{name: strings.Repeat("a/", 2100) + "f"}}},
		"a name of 4201 bytes", nil,
	},
	{
		"a link target of 4 KiB",
		[][]ent{{{name: "l", typ: tar.TypeSymlink, link: strings.Repeat("a/", 2100)}}},
		"a link target of 4200 bytes", nil,
	},
	{
		"a name component of 256 bytes",
		[][]ent{{{name: strings.Repeat("a", 256)}}},
		"a name component of 256 bytes", nil,
	},
	{
		"directories too deep",
		[][]ent{{{name: strings.Repeat("a/", 600) + "f"}}},
		"more than 512 directories deep", nil,
	},
	{
		"directories made deeper through a link",
		[][]ent{{
			{name: strings.Repeat("a/", 500)},
			{name: "l", typ: tar.TypeSymlink, link: strings.Repeat("a/", 500)},
			{name: "l/" + strings.Repeat("b/", 20) + "f"},
		}},
		"more than 512 directories deep", nil,
	},
	{
		"a link without a target",
		[][]ent{{{name: "l", typ: tar.TypeSymlink}}},
		"without a target", nil,
	},
	{
		"an unknown type",
		[][]ent{{{name: "v", typ: 'V'}}},
		"only files, directories", nil,
	},
	{
		"a device number out of range",
		[][]ent{{{name: "d", typ: tar.TypeChar, major: 1 << 40, minor: 1}}},
		"out of range", nil,
	},
	{
		"aufs leftovers",
		[][]ent{{{name: ".wh..wh.plnk/"}, {name: ".wh..wh.plnk/1.2", body: "x"}, {name: ".wh..wh.aufs"}, {name: "f"}}},
		"",
		[]string{"f f 0644 0"},
	},
	{
		"overlay attributes",
		[][]ent{{{name: "d/", pax: map[string]string{paxXattr + "trusted.overlay.redirect": "/../../victim", paxXattr + "trusted.overlay.opaque": "y"}}}},
		"",
		[]string{"d d 0755"},
	},
}

func TestAttacks(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			var layers [][]byte
			for _, l := range a.layers {
				layers = append(layers, tarOf(t, l...))
			}
			bundle, _, err := unpackIn(t, layoutOf(t, layers...), UnpackOptions{})
			if a.refuse == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				wantTree(t, filepath.Join(bundle, rootfsName), a.tree...)
				return
			}
			var refused *EntryError
			if !errors.As(err, &refused) || !strings.Contains(refused.Reason.Error(), a.refuse) {
				t.Fatalf("error is %v; want an entry refused: %s", err, a.refuse)
			}
			last := a.layers[len(a.layers)-1]
			if refused.Layer != len(a.layers) || refused.Entry == "" {
				t.Errorf("refused layer %d, entry %q; want layer %d, an entry of %d", refused.Layer, refused.Entry, len(a.layers), len(last))
			}
		})
	}
}

// Times that file systems can't all hold are set as far as they can, and
// never stop an unpack.
func TestStrangeTimes(t *testing.T) {
	times := []int64{-1, -1 << 31, -1 << 35, 0, 1 << 31, 1 << 32, 1 << 40}
	var entries []ent
	for i, s := range times {
		entries = append(entries, ent{name: string(rune('a' + i)), mtime: time.Unix(s, 0)}, ent{name: string(rune('A'+i)) + "/", mtime: time.Unix(s, 0)})
	}
	rootfs := unpackLayers(t, tarOf(t, entries...))
	for _, name := range []string{"a", "A", "d", "D"} {
		fi, err := os.Lstat(filepath.Join(rootfs, name))
		if err != nil {
			t.Fatal(err)
		}
		want := times[(name[0]|0x20)-'a']
		if got := fi.ModTime().Unix(); got != want {
			t.Errorf("time of %s = %d; want %d", name, got, want)
		}
	}
}

// A name can't smuggle a NUL byte: C sees another name than Go.
func TestNULInName(t *testing.T) {
	for _, field := range []string{"path", "linkpath"} {
		data := rawTar(t, 'x', "PaxHeaders/f", paxRecords(field, "a\x00b"))
		data = append(data, tarOf(t, ent{name: "f", typ: map[string]byte{"path": 0, "linkpath": tar.TypeSymlink}[field], link: "x"})...)
		_, _, err := unpackIn(t, layoutOf(t, data), UnpackOptions{})
		if err == nil || !strings.Contains(err.Error(), "invalid tar header") {
			t.Errorf("NUL in %s: error is %v; want an invalid header", field, err)
		}
	}
	if _, err := components("a\x00b", 0); err == nil {
		t.Error("components takes a NUL byte")
	}
}

// CVE-2022-2879, CVE-2025-58183: headers and sparse maps without bounds.
func TestHugeHeaders(t *testing.T) {
	for name, data := range map[string][]byte{
		"PAX header of 2 MiB":    rawTar(t, 'x', "PaxHeaders/f", "2097152 comment="+strings.Repeat("x", 2<<20)),
		"GNU long name of 2 MiB": rawTar(t, 'L', "././@LongLink", strings.Repeat("x", 2<<20)),
		"sparse map of 2 MiB": append(rawTar(t, 'x', "PaxHeaders/f", paxRecords("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "1")),
			tarOf(t, ent{name: "f", body: "200000\n" + strings.Repeat("0\n0\n", 1<<19)})...),
	} {
		_, _, err := unpackIn(t, layoutOf(t, data), UnpackOptions{})
		if err == nil || !strings.Contains(err.Error(), "layer 1") {
			t.Errorf("%s: error is %v; want layer 1 refused", name, err)
		}
	}
}

// A PAX global header changes nothing and is told of.
func TestGlobalHeader(t *testing.T) {
	data := append(rawTar(t, 'g', "pax_global_header", paxRecords("comment", "from git")), tarOf(t, ent{name: "f"})...)
	bundle, res, err := unpackIn(t, layoutOf(t, data), UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, filepath.Join(bundle, rootfsName), "f f 0644 0")
	if len(res.Notes) == 0 || !strings.Contains(res.Notes[0].Reason, "PAX global header") {
		t.Errorf("notes are %v; want one about the global header", res.Notes)
	}
}

// paxRecords encodes key, value, key, value ...
func paxRecords(kv ...string) string {
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

// rawTar is one entry that archive/tar would not write, without the trailer.
func rawTar(tb testing.TB, typ byte, name, body string) []byte {
	tb.Helper()
	data := tarOf(tb, ent{name: name, body: body})
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
