package main

// Progress for a person who waits.

import (
	"io"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

const progressEvery = 200 * time.Millisecond

// progress draws a bar on a terminal, and takes it away in the end. On
// anything else, and for work that is done at once, it does nothing.
type progress struct {
	what  string
	out   io.Writer // nil: silent
	start time.Time // of the bar
	bars  *mpb.Progress
	bar   *mpb.Bar
}

func newProgress(out io.Writer, what string) *progress {
	if !cmdline.IsTerminal(out) {
		out = nil
	}
	return &progress{what: what, out: out, start: time.Now().Add(progressEvery)}
}

// report is called with the bytes done and their total, 0 if unknown, by one
// goroutine at a time.
func (p *progress) report(done, total int64) {
	if p.out == nil || p.bar == nil && time.Now().Before(p.start) {
		return
	}
	if p.bar == nil {
		p.draw(total)
	}
	p.bar.SetCurrent(done)
}

func (p *progress) draw(total int64) {
	p.bars = mpb.New(mpb.WithOutput(p.out), mpb.WithRefreshRate(progressEvery))
	name := mpb.PrependDecorators(decor.Name(p.what + " "))
	if total > 0 {
		p.bar = p.bars.AddBar(total, name, mpb.BarWidth(50), mpb.BarRemoveOnComplete(),
			mpb.AppendDecorators(decor.CountersKibiByte("% .0f of % .0f, "), decor.AverageETA(decor.ET_STYLE_GO)))
	} else {
		p.bar = p.bars.AddSpinner(0, name, mpb.BarWidth(2), mpb.AppendDecorators(decor.CurrentKibiByte("% .0f")))
	}
}

// finish takes the bar away. Nothing is reported after it.
func (p *progress) finish() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bars.Wait()
	}
}
