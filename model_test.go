package joinleaf

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// The model is what the rules say of joins, in a few lines: who waits in which
// queue, what each socket may do next, and which event it is owed. The test
// makes the same calls on both, in random order, and compares every answer.

// queued is a request in a model's queue.
type queued struct {
	leaf  int // -1: the root's invitation
	shown bool
	gone  transport.Code
}

// actor is a socket of the model.
type actor struct {
	k      *Socket
	member *Socket
	state  phase
	owed   map[uint32]transport.Code // events that enumeration must show
}

func (a *actor) owe(event uint32, c transport.Code) { a.owed[event] = c }

type model struct {
	*stage
	dice    *rand.Rand
	log     []string
	p       *Provider
	root    *Socket
	rootHas map[uint32]transport.Code
	host    *Socket // a leaf that listens
	leaves  []*actor
	queue   []*queued // at the root
	invites []*queued // at the host
	pending *Socket   // the invitation under way
}

func (m *model) did(f string, a ...any) { m.log = append(m.log, fmt.Sprintf(f, a...)) }

func (m *model) fresh(i int) {
	k := m.leaf(m.p)
	m.must(k.EventSelect(NewEvent(), FDConnect|FDClose))
	m.leaves[i] = &actor{k: k, state: idle, owed: map[uint32]transport.Code{}}
}

// step makes one random call and says what the rules want of it.
func (m *model) step() {
	i := m.dice.IntN(len(m.leaves))
	a := m.leaves[i]
	switch m.dice.IntN(12) {
	case 0, 1, 2:
		m.did("leaf %d joins", i)
		_, err := joinTo(a.k, m.addr("root", 7001))
		code := map[phase]transport.Code{joining: transport.WSAEALREADY, joined: transport.WSAEISCONN, ended: transport.WSAEINVAL}[a.state]
		want(m, "join", err, code)
		if code == 0 {
			a.state = joining
			m.queue = append(m.queue, &queued{leaf: i})
		}
	case 3:
		m.did("leaf %d closes", i)
		want(m, "close", a.k.Close(), 0)
		for _, q := range m.queue {
			if q.leaf == i && q.gone == 0 {
				q.leave()
			}
		}
		m.fresh(i)
	case 4, 5, 6:
		m.accept(m.root, &m.queue, func(q *queued, code transport.Code, k *Socket) {
			who := m.leaves[q.leaf]
			who.owe(FDConnect, code)
			if who.state = idle; code == 0 {
				who.state, who.member = joined, k
			}
		})
	case 7:
		if a.state == joined {
			m.did("the root closes member %d", i)
			want(m, "close", a.member.Close(), 0)
			a.state = ended
			a.owe(FDClose, 0)
		}
	case 8:
		m.did("the root invites")
		x, err := joinTo(m.root, m.addr("host", 7001))
		if m.pending != nil {
			want(m, "invite", err, transport.WSAEALREADY)
			return
		}
		want(m, "invite", err, 0)
		m.pending = x
		m.invites = append(m.invites, &queued{leaf: -1})
	case 9:
		if m.pending != nil {
			m.did("the root cancels")
			want(m, "cancel", m.pending.Close(), 0)
			m.pending = nil
			m.invites[len(m.invites)-1].leave()
			m.rootHas[FDConnect] = transport.WSA_OPERATION_ABORTED
		}
	case 10:
		m.accept(m.host, &m.invites, func(_ *queued, code transport.Code, _ *Socket) {
			m.pending = nil
			m.rootHas[FDConnect] = code
		})
	case 11:
		m.did("enumerate")
		m.enumerate(fmt.Sprintf("leaf %d", i), a.k, a.owed)
		m.enumerate("the root", m.root, m.rootHas)
	}
}

func (q *queued) leave() {
	if q.gone = transport.WSAECONNRESET; q.shown {
		q.gone = transport.WSAEACCES
	}
}

// accept makes one nonblocking accept call with a random answer.
func (m *model) accept(k *Socket, queue *[]*queued, done func(*queued, transport.Code, *Socket)) {
	answer := m.dice.IntN(3)
	m.did("accept, answer %d, queue %d", answer, len(*queue))
	child, _, err := k.WSAAccept((&saying{answers: []int{answer}}).condition, nil)
	if len(*queue) == 0 {
		want(m, "accept", err, transport.WSAEWOULDBLOCK)
		return
	}
	q := (*queue)[0]
	if q.gone != 0 {
		want(m, "accept of what went away", err, q.gone)
		*queue = (*queue)[1:]
		return
	}
	switch answer {
	case CFDefer:
		want(m, "deferring accept", err, transport.WSATRY_AGAIN)
		q.shown = true
	case CFReject:
		want(m, "rejecting accept", err, transport.WSAECONNREFUSED)
		*queue = (*queue)[1:]
		done(q, transport.WSAECONNREFUSED, nil)
	default:
		want(m, "accept", err, 0)
		*queue = (*queue)[1:]
		done(q, 0, child)
	}
}

func (m *model) enumerate(who string, k *Socket, owed map[uint32]transport.Code) {
	got := events(m, k)
	for _, event := range []uint32{FDConnect, FDClose} {
		code, due := owed[event]
		if due != (got.Events&event != 0) || due && got.Code(event) != code {
			m.Errorf("%s: event %#x is owed %v (%v), enumerated %#x with %v", who, event, due, name0(code), got.Events, name0(got.Code(event)))
		}
		delete(owed, event)
	}
}

// interleavings is how many histories are tried; JOINLEAF_SEEDS asks for more, "2000",
// or for others, "5000-7000".
func interleavings(t testing.TB, n int) (first, last uint64) {
	from, to, others := strings.Cut(os.Getenv("JOINLEAF_SEEDS"), "-")
	if v, err := strconv.ParseUint(from, 10, 32); err == nil {
		if !others {
			return 0, v
		}
		if w, err := strconv.ParseUint(to, 10, 32); err == nil {
			return v, w
		}
	}
	if testing.Short() {
		n /= 10
	}
	return 0, uint64(n)
}

func TestR60_R95_R100_R101_R120_R134_R147_R148_R149_R155_R156_R159_R160_R161_R163_TheModel(t *testing.T) {
	steps := 0
	first, last := interleavings(t, 150)
	for seed := first; seed < last; seed++ {
		onStage(t, seed, func(s *stage) {
			long := func(c *Config) { c.JoinWait = 10 * time.Hour }
			m := &model{stage: s, dice: rand.New(rand.NewPCG(seed, 3)), p: s.provider("leaf", long), rootHas: map[uint32]transport.Code{}}
			m.root = s.root(s.provider("root", long), "root")
			m.host = s.listening(s.provider("host", long), "host", ProtoRootedRooted, leafFlags)
			s.must(m.root.EventSelect(NewEvent(), FDConnect|FDAccept))
			s.must(m.host.EventSelect(NewEvent(), FDAccept))
			m.leaves = make([]*actor, 3)
			for i := range m.leaves {
				m.fresh(i)
			}
			for range 30 {
				m.step()
				steps++
				time.Sleep(3 * time.Second)
				if t.Failed() {
					t.Fatalf("seed %d: %q", seed, m.log)
				}
			}
		})
	}
	t.Logf("%d histories, %d steps", last-first, steps)
}
