package main

// A way to a server that is far away.

import (
	"net"
	"sync"
	"time"
)

// farServer passes connections on, as a line would that is as fast as the
// loopback interface but long: a connection comes about after a round trip, and
// all that is sent arrives half a round trip later.
type farServer struct {
	listener  net.Listener
	target    string
	roundTrip time.Duration
	running   sync.WaitGroup
}

func newFarServer(target string, roundTrip time.Duration) (*farServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &farServer{listener: l, target: target, roundTrip: roundTrip}
	f.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // it is closed
			}
			f.running.Go(func() { f.pass(c) })
		}
	})
	return f, nil
}

func (f *farServer) addr() string { return f.listener.Addr().String() }

// stop waits for the connections to end: whoever made them has ended.
func (f *farServer) stop() error {
	err := f.listener.Close()
	f.running.Wait()
	return err
}

func (f *farServer) pass(near net.Conn) {
	defer func() { _ = near.Close() }()
	time.Sleep(f.roundTrip)
	far, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	var both sync.WaitGroup
	both.Go(func() { f.send(far, near) })
	both.Go(func() { f.send(near, far) })
	both.Wait()
}

// send copies what comes, each piece half a round trip after it came, and then the end.
func (f *farServer) send(to, from net.Conn) {
	type piece struct {
		due  time.Time
		data []byte
	}
	line := make(chan piece, 1024)
	go func() {
		defer close(line)
		for {
			buf := make([]byte, 64<<10)
			n, err := from.Read(buf)
			if n > 0 {
				line <- piece{time.Now().Add(f.roundTrip / 2), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range line {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			_ = from.Close() // ends the reader
			continue         // what is on the line is lost
		}
	}
	if c, ok := to.(*net.TCPConn); ok {
		_ = c.CloseWrite()
	}
}
