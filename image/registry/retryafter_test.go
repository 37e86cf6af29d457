package registry

import (
	"net/http"
	"testing"
	"time"
)

// FuzzRetryAfter: a wait is never negative, and never longer than a year, whatever
// the header says.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"} {
		f.Add(s, "")
		f.Add(s, "Fri, 31 Dec 1999 23:59:00 GMT")
	}
	f.Fuzz(func(t *testing.T, after, date string) {
		h := http.Header{"Retry-After": {after}, "Date": {date}}
		if d := retryAfter(h, time.Now()); d < 0 || d > 365*24*time.Hour {
			t.Fatalf("retryAfter(%q, %q) = %v", after, date, d)
		}
	})
}
