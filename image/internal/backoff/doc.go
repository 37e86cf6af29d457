// Package backoff takes broken transfers up again: how often, after how long, and
// after which errors it is useless. It never waits on after its context has ended.
package backoff
