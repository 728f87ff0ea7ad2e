package session

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// A sender that nothing holds up but its own work spends most of its time in the
// system's calls. There a goroutine of its own can make them, while who calls Send
// copies, hashes and seals the next batches:
//
//	Send -> copy, hash, seal -> job job job -> pump -> system
//
// Everything that is written goes that way while the pipe is open, in the order of
// its numbers. It opens where it takes enough off the one goroutine to pay for the
// other's share of the processors.
const (
	pipeJobs  = 16
	pipeAhead = 2 * time.Millisecond  // of calls may wait; more would be delay
	pipeAfter = 128                   // batches in a row before which less time passed than in their call
	pipeLeast = 20 * time.Microsecond // of a call: handing over shorter ones costs what it saves
	pipeShare = 7                     // the time out of calls is more than this part of that in them

	dryJob  = 8   // a pump found asleep counts as much as so many that were not,
	dryMost = 200 // and so much closes the pipe: who waits for jobs only adds a switch of goroutines
)

// settleMax is how long Close waits for what is in the pipe.
const settleMax = 200 * time.Millisecond

// job is what one call hands to the system.
type job struct {
	buf    []byte
	ds     [manifestsOnce]transport.Datagram
	n      int // of ds
	frames int
	group  bool
}

// pipeline is the writer's. Its mutex guards what pump and writer share.
type pipeline struct {
	open  atomic.Bool   // written by who holds the writer's mutex
	lost  atomic.Uint64 // jobs that the system refused
	depth int           // jobs that may wait
	dry   int

	ended time.Time     // the last call of the writer itself
	busy  int           // batches in a row that show a sender that waits for nothing
	took  time.Duration // the calls of these
	pause time.Duration // and the time before them

	mu     sync.Mutex
	jobs   []job // a ring; it and the pump are made when first needed
	first  int
	count  int
	asleep bool      // the pump is, or about to be
	waits  bool      // the writer waits for room
	over   bool      // the session is closed, and the pump ends
	work   sync.Cond // for the pump
	room   sync.Cond // for the writer
	err    error     // of a job that went wrong; the writer is told and closes the pipe
}

func (p *pipeline) init() { p.work.L, p.room.L = &p.mu, &p.mu }

// next is the job to fill: the writer's own where the pipe is closed.
func (w *writer) next() (*job, error) {
	p := &w.pipe
	if !p.open.Load() {
		return &w.own, nil
	}
	j, err := p.free()
	if err != nil {
		w.closePipe() // who is refused is to know it of every call
	}
	return j, err
}

// free waits for a job that is, or for the word that one went wrong.
func (p *pipeline) free() (*job, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.count >= p.depth && p.err == nil {
		p.waits = true
		p.room.Wait()
	}
	return &p.jobs[(p.first+p.count)%pipeJobs], p.err
}

// hand gives a filled job to the system, or to the pump. full says that it is a
// batch as large as they get.
func (w *writer) hand(j *job, full bool) error {
	p := &w.pipe
	if !p.open.Load() {
		if !full && p.busy == 0 {
			return w.write(j)
		}
		began := time.Now()
		err := w.write(j)
		w.judge(began, time.Now(), full && err == nil)
		return err
	}
	p.mu.Lock()
	p.count++
	if p.asleep {
		p.asleep = false
		p.dry += dryJob
		p.work.Signal()
	} else if p.dry > 0 {
		p.dry--
	}
	p.mu.Unlock()
	if p.dry > dryMost {
		w.closePipe()
	}
	return nil
}

// judge opens the pipe for who is in the system's calls for longer than out of them.
func (w *writer) judge(began, ended time.Time, full bool) {
	p := &w.pipe
	took, pause := ended.Sub(began), began.Sub(p.ended)
	p.ended = ended
	if !full {
		return
	}
	if pause >= took {
		p.busy, p.took, p.pause = 0, 0, 0
		return
	}
	p.busy, p.took, p.pause = p.busy+1, p.took+took, p.pause+pause
	if p.busy < pipeAfter {
		return
	}
	took, pause = p.took/pipeAfter, p.pause/pipeAfter
	p.busy, p.took, p.pause = 0, 0, 0
	if took < pipeLeast || pause*pipeShare < took || runtime.GOMAXPROCS(0) < 2 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.depth = min(max(int(pipeAhead/took), 2), pipeJobs)
	p.dry, p.err = 0, nil
	if p.jobs == nil {
		p.jobs = make([]job, pipeJobs)
		for i := range p.jobs {
			p.jobs[i].buf = make([]byte, 0, cap(w.own.buf))
		}
		w.s.wg.Go(w.pump)
	}
	p.open.Store(true)
}

// closePipe waits until all is written, and has calls made by the writer again. In a
// session that is closed there are none.
func (w *writer) closePipe() {
	p := &w.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.count > 0 && !p.over {
		p.waits = true
		p.room.Wait()
	}
	p.open.Store(p.over)
	p.ended = time.Now()
}

// pump makes the calls. Its thread is its own, for the reason that push has.
func (w *writer) pump() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &w.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for p.count == 0 {
			if p.over {
				return
			}
			p.asleep = true
			p.work.Wait()
		}
		j := &p.jobs[p.first]
		p.mu.Unlock()
		err := w.write(j)
		p.mu.Lock()
		p.first, p.count = (p.first+1)%pipeJobs, p.count-1
		if err != nil && !p.over {
			p.err = err
			p.lost.Add(1)
		}
		if p.waits && (p.count <= p.depth*3/4 || err != nil) {
			p.waits = false
			p.room.Signal()
		}
	}
}

// settle gives what is in the pipe some time to leave, when the session ends.
func (w *writer) settle() {
	p := &w.pipe
	for end := time.Now().Add(settleMax); p.open.Load() && time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		p.mu.Lock()
		empty := p.count == 0
		p.mu.Unlock()
		if empty {
			return
		}
	}
}

// end stops the pump, when the sockets are closed.
func (p *pipeline) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.err = net.ErrClosed // for who waits for room, or comes yet
	p.work.Signal()
	p.room.Signal()
}
