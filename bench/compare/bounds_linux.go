package main

import "fmt"

// bound is the least ratio to the best of the rivals; a judged one ends a program
// with -check.
type bound struct {
	Least  float64
	Judged bool
}

// bounds are for two receivers without loss. Group is what other encrypted
// multicast offers; of Signed, the default, which offers more, the state is shown.
var bounds = map[string]bound{
	"joinleaf-clear-offload": {6, true},
	"joinleaf-group-offload": {4, true},
	"joinleaf-offload":       {4, false},
	"joinleaf-group":         {1.3, true},
	"joinleaf":               {1.3, false},
}

var boundsAt = cell{Leaves: 2}

// bound is the row's, if it has one.
func (w row) bound() (b bound, ok bool) {
	b, ok = bounds[w.Peer]
	return b, ok && w.cell == boundsAt && w.BestPeer != ""
}

func (w row) state() (least, holds string) {
	b, ok := w.bound()
	if !ok {
		return "-", "-"
	}
	holds = "yes"
	if w.Best < b.Least {
		holds = "NO"
	}
	if !b.Judged {
		holds = "(" + holds + ")"
	}
	return fmt.Sprintf(">=%.1f", b.Least), holds
}

// broken names the judged bounds that do not hold, and runs of joinleaf that
// failed.
func (r *report) broken() (names []string) {
	judged := 0
	for _, w := range r.Rows {
		if ours(w.Peer) && w.Complete < w.Of {
			names = append(names, fmt.Sprintf("%s, %s, %g %% loss: %d of %d runs failed", w.Peer, receivers(w.Leaves), w.Loss, w.Of-w.Complete, w.Of))
		}
		b, ok := w.bound()
		if !ok || !b.Judged {
			continue
		}
		if judged++; w.Best < b.Least {
			names = append(names, fmt.Sprintf("%s, %s: %.2f of %s, not %.1f", w.Peer, receivers(w.Leaves), w.Best, w.BestPeer, b.Least))
		}
	}
	if judged == 0 {
		names = append(names, "no bound could be judged: that takes two receivers, no loss, joinleaf and another reliable peer")
	}
	return names
}
