package image

// Waits for others: whoever waits says so, to who wants to know.

import "context"

type waiting struct{}

// WithWaits gives a context under which tell is told what a wait is for that
// takes longer than a moment. It may be called at any time, from any goroutine.
func WithWaits(ctx context.Context, tell func(what string)) context.Context {
	return context.WithValue(ctx, waiting{}, tell)
}

// TellWait tells what is waited for, if anybody wants to know.
func TellWait(ctx context.Context, what string) {
	if tell, ok := ctx.Value(waiting{}).(func(string)); ok {
		tell(what)
	}
}
