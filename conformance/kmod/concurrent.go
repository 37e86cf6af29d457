package kmod

// Many at once: nothing is lost, nothing is left, and no process is ever a
// member of a cell that is gone.

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

const (
	hammers = 8
	rounds  = 200
	many    = 200
)

var concurrent = []harness.Case{
	{
		Name: "concurrent/hammer", Clause: "nodes create, id, destroy", Does: "eight callers create and destroy cells 200 times each, and enter every fourth", Timeout: 5 * time.Minute,
		Run: in(hammer),
	},
	{
		Name: "concurrent/one-name", Clause: "node create: EEXIST", Does: "of several callers that want one name, one gets it", Timeout: time.Minute,
		Run: in(oneName),
	},
	{
		Name: "concurrent/enter-destroy", Clause: "nodes id, destroy", Does: "a cell is entered or destroyed, never both", Timeout: 3 * time.Minute,
		Run: in(enterDestroy),
	},
	{
		Name: "concurrent/enter-kill", Clause: "nodes id, kill", Does: "who enters a cell while it is killed does not live in it", Timeout: 3 * time.Minute,
		Run: in(enterKill),
	},
	{
		Name: "concurrent/many", Clause: "nodes create, list", Does: "200 cells with a process each are there at once", Timeout: 3 * time.Minute,
		Run: in(manyCells),
	},
	{
		Name: "concurrent/list", Clause: "node list", Does: "a list read while cells come and go is whole", Timeout: time.Minute,
		Run: in(listWhile),
	},
	{
		Name: "concurrent/list-fork", Clause: "node list", Does: "a list read while members fork leaves out what is not there yet", Timeout: 2 * time.Minute,
		Run: in(listForking),
	},
}

// crowd runs f several times at once and waits.
func crowd(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func hammer(w *world) {
	crowd(hammers, func(int) {
		for i := range rounds {
			if err := w.life(i%4 == 0); err != nil {
				w.Errorf("%v", err)
				return
			}
		}
	})
}

// life is one cell's from beginning to end, without ending the case.
func (w *world) life(enter bool) error {
	id, err := w.k.Create(w.high(nil))
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if enter {
		pid, err := w.enter(id, entry{then: exitSteps(0)})
		if err != nil {
			w.track(id)
			return fmt.Errorf("enter cell %d: %w", id, err)
		}
		_, err = agent.Wait(pid)
		w.forget(pid)
		if err != nil {
			return fmt.Errorf("wait for process %d: %w", pid, err)
		}
	}
	if err := w.destroyAlone(id); err != nil {
		w.track(id)
		return fmt.Errorf("destroy cell %d: %w", id, err)
	}
	return nil
}

// destroyAlone is destroyLater for a goroutine that others reap beside.
func (w *world) destroyAlone(id kmod.ID) error {
	for deadline := time.Now().Add(w.Limit(5 * time.Second)); ; time.Sleep(time.Millisecond) {
		err := w.k.Destroy(id)
		if !errors.Is(err, kmod.ErrBusy) || time.Now().After(deadline) {
			return err
		}
	}
}

func (w *world) forget(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.kids, pid)
}

func oneName(w *world) {
	for range 20 {
		s := w.high(nil)
		var mu sync.Mutex
		var won []kmod.ID
		crowd(hammers, func(int) {
			id, err := w.make(s)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, id)
			} else if !errors.Is(err, kmod.ErrExists) {
				w.Errorf("create: %v", err)
			}
		})
		if len(won) != 1 {
			w.Fatalf("cells %v have the same name", won)
		}
		w.destroy(won[0])
	}
}

func enterDestroy(w *world) {
	entered, destroyed := 0, 0
	for i := range 100 {
		id := w.cell(w.high(nil))
		var x *waiter
		var enterErr, destroyErr error
		crowd(2, func(who int) {
			if who == 0 {
				x, enterErr = w.waiting(id, entry{}, 0)
				return
			}
			time.Sleep(time.Duration(i%20) * 150 * time.Microsecond)
			destroyErr = w.k.Destroy(id)
		})
		switch {
		case enterErr == nil && destroyErr == nil:
			w.Fatalf("round %d: the cell was destroyed, and process %d has entered it", i, x.pid)
		case enterErr == nil:
			entered++
			w.wantError("destroy a cell with a process", destroyErr, kmod.ErrBusy)
			x.end()
			w.Must("destroy", w.destroyLater(id))
		case destroyErr == nil:
			destroyed++
		case !errors.Is(destroyErr, kmod.ErrBusy):
			w.Errorf("round %d: enter: %v; destroy: %v", i, enterErr, destroyErr)
		}
	}
	if entered == 0 || destroyed == 0 {
		w.Skipf("%d times the process came first, %d times the end: this was no race", entered, destroyed)
	}
}

func enterKill(w *world) {
	w.needs(killing)
	for i := range 40 {
		id := w.cell(w.high(nil))
		first := w.waiter(id)
		var x *waiter
		var enterErr error
		crowd(2, func(who int) {
			if who == 0 {
				x, enterErr = w.waiting(id, entry{}, 0)
				return
			}
			time.Sleep(time.Duration(i%20) * 150 * time.Microsecond)
			if err := w.k.Kill(id, int(unix.SIGKILL)); err != nil {
				w.Errorf("kill: %v", err)
			}
		})
		if enterErr == nil {
			w.Eventually(func() bool { return ended(x.pid) }, "process %d has entered a dying cell and lives", x.pid)
			w.reap(x.pid)
		}
		w.reap(first.pid)
		w.Must("destroy", w.destroyLater(id))
	}
}

func manyCells(w *world) {
	var mu sync.Mutex
	var ids []kmod.ID
	crowd(4, func(int) {
		for range many / 4 {
			id, err := w.make(w.high(nil))
			if err == nil {
				_, err = w.waiting(id, entry{}, 0)
			}
			if err != nil {
				w.Errorf("cell %d: %v", id, err)
				return
			}
			mu.Lock()
			ids = append(ids, id)
			mu.Unlock()
		}
	})
	cells, err := w.k.List()
	w.Must("list cells", err)
	cells = slices.DeleteFunc(cells, func(c kmod.Info) bool { return !slices.Contains(ids, c.ID) })
	if len(ids) != many || len(cells) != many {
		w.Fatalf("%d cells were made, %d are listed; want %d", len(ids), len(cells), many)
	}
	if !slices.IsSortedFunc(cells, func(a, b kmod.Info) int { return int(b.ID) - int(a.ID) }) {
		w.Errorf("the list is not ordered, the newest first")
	}
	for _, id := range ids {
		if pids, err := w.k.Processes(id); err != nil || len(pids) != 1 {
			w.Fatalf("cell %d has processes %v, %v; want one", id, pids, err)
		}
	}
}

func listWhile(w *world) {
	stays := []kmod.ID{w.cell(w.high(nil)), w.cell(w.high(nil)), w.cell(w.high(nil))}
	stop := make(chan bool)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id, err := w.k.Create(w.high(nil))
				if err == nil {
					err = w.k.Destroy(id)
				}
				if err != nil {
					w.Errorf("%v", err)
					return
				}
			}
		})
	}
	for range 200 {
		cells, err := w.k.List()
		if err != nil {
			w.Errorf("list: %v", err)
			break
		}
		for _, id := range stays {
			if !slices.ContainsFunc(cells, func(c kmod.Info) bool { return c.ID == id && c.Root == w.root }) {
				w.Errorf("cell %d is not in the list %v", id, cells)
			}
		}
	}
	close(stop)
	wg.Wait()
}

// listForking reads the list while members fork: the kernel tells the module of
// a child that has no address space yet. Its memory is new while there are more
// processes than there ever were.
func listForking(w *world) {
	id := w.cell(w.high(nil))
	forkers := make([]*member, 4)
	for i := range forkers {
		forkers[i] = w.agent(id, entry{})
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				if _, err := w.k.List(); err != nil {
					w.Errorf("list: %v", err)
					return
				}
			}
		})
	}
	crowd(len(forkers), func(i int) { forkers[i].must("fork", decimal(25)) })
	done.Store(true)
	readers.Wait()
}
