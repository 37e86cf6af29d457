package inflate

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
)

// contents are made so that each kind of block, code and match occurs.
func contents() map[string][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300<<10)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	var text, far bytes.Buffer
	for text.Len() < 500<<10 {
		text.WriteString(strings.Repeat(string(rune('a'+rnd.IntN(26))), 1+rnd.IntN(4)))
		text.Write(noise[:rnd.IntN(3)])
	}
	for far.Len() < 700<<10 { // matches at 32 KiB and nearby
		at := rnd.IntN(8)
		far.Write(noise[at : at+history-4+rnd.IntN(8)])
	}
	patterns := []byte{}
	for period := 1; period < 20; period++ {
		patterns = append(patterns, bytes.Repeat(noise[:period], 600/period+rnd.IntN(50))...)
	}
	// Symbols with very different frequencies have the longest codes.
	var skewed []byte
	for i := range 40 {
		skewed = append(skewed, bytes.Repeat([]byte{byte(i)}, 1<<min(i/2, 16))...)
	}
	rnd.Shuffle(len(skewed), func(i, j int) { skewed[i], skewed[j] = skewed[j], skewed[i] })
	return map[string][]byte{
		"empty": {}, "byte": {7}, "zeros": make([]byte, 3<<20), "noise": noise, "text": text.Bytes(),
		"far": far.Bytes(), "patterns": patterns, "skewed": skewed,
	}
}

func compress(t testing.TB, content []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(content)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decompress(r io.Reader) ([]byte, error) {
	z, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func TestRoundTrip(t *testing.T) {
	for name, content := range contents() {
		for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
			got, err := decompress(bytes.NewReader(compress(t, content, level)))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s, level %d: %d bytes, %v; want %d", name, level, len(got), err, len(content))
			}
		}
	}
}

// However the input is cut into reads, and the output into buffers, the
// content is the same.
func TestPieces(t *testing.T) {
	content := contents()["text"]
	packed := compress(t, content, 6)
	for name, r := range map[string]io.Reader{
		"one byte":     iotest.OneByteReader(bytes.NewReader(packed)),
		"half":         iotest.HalfReader(bytes.NewReader(packed)),
		"data and EOF": iotest.DataErrReader(bytes.NewReader(packed)),
	} {
		if got, err := decompress(r); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	z, err := NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(z, content); err != nil {
		t.Error(err)
	}
}

// Members are one content, and no match of one reaches into another.
func TestMembers(t *testing.T) {
	one, two := compress(t, []byte("one"), 6), compress(t, bytes.Repeat([]byte("two"), 1000), 9)
	got, err := decompress(bytes.NewReader(append(bytes.Clone(one), two...)))
	if want := "one" + strings.Repeat("two", 1000); err != nil || string(got) != want {
		t.Errorf("two members: %q, %v", got, err)
	}
	// A block with the fixed code: a match of 3 bytes, 1 back, and the end.
	reach := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0}, 0x03, 0x02, 0x00)
	reach = append(reach, make([]byte, 8)...)
	if got, err := decompress(bytes.NewReader(append(bytes.Clone(one), reach...))); !errors.Is(err, errDistance) {
		t.Errorf("a match into the member before: %q, %v; want %v", got, err, errDistance)
	}
}

// Every part of the header is read over, and checked where it can be.
func TestHeader(t *testing.T) {
	header := []byte{0x1f, 0x8b, 8, flagSum | flagExtra | flagName | flagComment, 1, 2, 3, 4, 0, 3}
	header = append(header, 3, 0, 'x', 'y', 'z')
	header = append(header, "name\x00comment\x00"...)
	header = binary.LittleEndian.AppendUint16(header, uint16(crc32.ChecksumIEEE(header)))
	rest := compress(t, []byte("content"), 6)[10:]
	if got, err := decompress(bytes.NewReader(append(bytes.Clone(header), rest...))); err != nil || string(got) != "content" {
		t.Errorf("all fields: %q, %v", got, err)
	}
	for i := range header {
		if i >= 4 && i < 10 {
			continue // time, extra flags and system mean nothing here
		}
		bad := append(bytes.Clone(header), rest...)
		bad[i] ^= 0x80
		if _, err := decompress(bytes.NewReader(bad)); err == nil {
			t.Errorf("byte %d of the header changed: no error", i)
		}
	}
}

// A stream that ends early is an error wherever it ends, and nothing comes
// out that was not in.
func TestTruncated(t *testing.T) {
	for name, content := range map[string][]byte{"text": contents()["text"][:3000], "stored": contents()["noise"][:300]} {
		packed := compress(t, content, 6)
		for n := range packed {
			got, err := decompress(bytes.NewReader(packed[:n]))
			if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(content, got) {
				t.Fatalf("%s: %d of %d bytes: %d bytes, %v; want %v", name, n, len(packed), len(got), err, io.ErrUnexpectedEOF)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	good := compress(t, []byte("content content content"), 6)
	change := func(at int, b byte) []byte {
		bad := bytes.Clone(good)
		bad[(at+len(bad))%len(bad)] ^= b
		return bad
	}
	header := good[:10]
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"CRC":              {change(-8, 1), "CRC"},
		"size":             {change(-4, 1), "bytes, its trailer says"},
		"garbage after it": {append(bytes.Clone(good), "garbage"...), "unexpected EOF"},
		"a header's worth": {append(bytes.Clone(good), "garbage after it"...), errHeader.Error()},
		"block type":       {append(bytes.Clone(header), 7, 0, 0), errBlock.Error()},
		"stored length":    {append(bytes.Clone(header), 1, 1, 0, 1, 0), errStored.Error()},
		"too many lengths": {append(bytes.Clone(header), 0xfd, 0xff, 0xff, 0xff), errLengths.Error()},
		"no code at all":   {append(bytes.Clone(header), append([]byte{5}, make([]byte, 40)...)...), errSymbol.Error()},
		"not gzip":         {[]byte("BZh91AY&SY..."), errHeader.Error()},
	} {
		if got, err := decompress(bytes.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v; want an error with %q", name, got, err, c.want)
		}
	}
	broken := errors.New("broken")
	if _, err := decompress(io.MultiReader(bytes.NewReader(good[:15]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("the source's error became %v", err)
	}
}

// FuzzReader compares with the standard library: the same content, and an
// error for the same input.
func FuzzReader(f *testing.F) {
	for _, content := range contents() {
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 6, 9} {
			if packed := compress(f, content[:min(len(content), 2000)], level); len(packed) < 4096 {
				f.Add(packed[10:])
			}
		}
	}
	f.Fuzz(func(t *testing.T, deflate []byte) {
		const most = 8 << 20
		packed := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0}, deflate...)
		want, wantErr := readSome(stdReader(packed), most)
		z, err := NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		got, gotErr := readSome(z, most)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("error %v; want %v", gotErr, wantErr)
		}
		if gotErr == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes; want %d others", len(got), len(want))
		}
		if n := min(len(got), len(want)); !bytes.Equal(got[:n], want[:n]) {
			t.Fatal("content before the error differs")
		}
		// The blocks alone, without sums that a fuzzer can't guess.
		blocks, err := readSome(flate.NewReader(bytes.NewReader(deflate)), most)
		if err == nil && !bytes.HasPrefix(blocks, got) {
			t.Fatal("the blocks' content differs")
		}
		if err == nil && len(got) < len(blocks) {
			t.Fatalf("%d bytes of the blocks; want %d", len(got), len(blocks))
		}
	})
}

func stdReader(packed []byte) io.Reader {
	z, err := stdgzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return iotest.ErrReader(err)
	}
	return z
}

func readSome(r io.Reader, most int64) ([]byte, error) { return io.ReadAll(io.LimitReader(r, most)) }

func BenchmarkReader(b *testing.B) {
	content := append(contents()["text"], contents()["patterns"]...)
	packed := compress(b, content, 6)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		z, err := NewReader(bytes.NewReader(packed))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, z); err != nil {
			b.Fatal(err)
		}
	}
}
