package main

// Progress of blobs, several at once: bars on a terminal, lines elsewhere.

import (
	"fmt"
	"io"
	"sync"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/opencontainers/go-digest"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// smallBlob is what gets no bar of its own, in bytes.
const smallBlob = 64 << 10

// transfers shows blobs on their way.
type transfers struct {
	what     string
	out      io.Writer
	terminal bool
	bars     *mpb.Progress
	bar      map[digest.Digest]*mpb.Bar
	mu       sync.Mutex // both blobs and requests are reported
}

func newTransfers(out io.Writer, what string) *transfers {
	return &transfers{what: what, out: out, terminal: cmdline.IsTerminal(out), bar: map[digest.Digest]*mpb.Bar{}}
}

// retry shows why a request is sent again.
func (t *transfers) retry(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.print(t.what + ": tried again: " + cmdline.OneLine(err.Error()) + "\n")
}

// report shows one blob.
func (t *transfers) report(x store.Transfer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.Retry != nil {
		t.line(x, "taken up again at "+size(x.Done)+": "+cmdline.OneLine(x.Retry.Error()))
		return
	}
	if t.terminal {
		t.draw(x)
		return
	}
	switch {
	case x.Present:
		t.line(x, "is there")
	case x.Ended && x.Resumed > 0:
		t.line(x, fmt.Sprintf("done, %s, of which %s were there", size(x.Done), size(x.Resumed)))
	case x.Ended:
		t.line(x, "done, "+size(x.Done))
	}
}

func (t *transfers) line(x store.Transfer, text string) {
	t.print(t.what + " " + short(string(x.Blob.Digest)) + ": " + text + "\n")
}

// print prints above the bars, if there are any.
func (t *transfers) print(text string) {
	if t.bars != nil {
		_, _ = t.bars.Write([]byte(text)) // progress is not worth an error
		return
	}
	fmt.Fprint(t.out, text)
}

func (t *transfers) draw(x store.Transfer) {
	if x.Present || x.Blob.Size < smallBlob {
		return
	}
	if t.bars == nil {
		t.bars = mpb.New(mpb.WithOutput(t.out), mpb.WithRefreshRate(progressEvery))
	}
	bar := t.bar[x.Blob.Digest]
	if bar == nil {
		bar = t.bars.AddBar(x.Blob.Size, mpb.BarWidth(40),
			mpb.PrependDecorators(decor.Name(t.what+" "+short(string(x.Blob.Digest))+" ")),
			mpb.AppendDecorators(decor.CountersKibiByte("% .0f of % .0f, "), decor.AverageETA(decor.ET_STYLE_GO)))
		t.bar[x.Blob.Digest] = bar
	}
	bar.SetCurrent(x.Done)
}

// finish takes the bars away. Nothing is reported after it.
func (t *transfers) finish() {
	if t.bars == nil {
		return
	}
	for _, b := range t.bar {
		b.Abort(true)
	}
	t.bars.Wait()
}
