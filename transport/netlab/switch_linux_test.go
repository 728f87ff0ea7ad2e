package netlab

import (
	"testing"
)

func TestMulticast_ReachesMembersOnly(t *testing.T) {
	t.Parallel()
	l := New(t, Options{Hosts: []string{"a", "b", "c"}, NoFlood: true})
	a, b, c := l.Host("a"), l.Host("b"), l.Host("c")
	must(t, l.CountGroups())
	for _, f := range families {
		m, e := speaker(t, a, f.addr(a), 1), member(t, b, f.group)
		if !reaches(t, m, f.group, e) {
			t.Errorf("%s: b is a member and hears nothing", f.name)
		}
		group := f.group.Addr()
		sent, err := l.GroupPackets(a, Out, group)
		must(t, err)
		got, err := l.GroupPackets(b, In, group)
		must(t, err)
		stray, err := l.GroupPackets(c, In, group)
		must(t, err)
		if sent == 0 || got == 0 || stray != 0 {
			t.Errorf("%s: a sent %d packets, b was given %d, c, which is no member, %d", f.name, sent, got, stray)
		}
	}
}

func TestFlood_WithoutAQuerierGroupsGoEverywhere(t *testing.T) {
	t.Parallel()
	l := New(t, Options{Hosts: []string{"a", "b", "c"}, NoQuerier: true})
	a, b, c := l.Host("a"), l.Host("b"), l.Host("c")
	must(t, c.SetFlood(false))
	must(t, l.CountGroups())
	given := func() (toB, toC uint64) {
		t.Helper()
		speaker(t, a, a.Addr4(), 1).send(t, group4, 10)
		toB, err := l.GroupPackets(b, In, group4.Addr())
		must(t, err)
		toC, err = l.GroupPackets(c, In, group4.Addr())
		must(t, err)
		return toB, toC
	}
	if toB, toC := given(); toB != 10 || toC != 0 {
		t.Errorf("without a querier b, which is no member, was given %d of 10 packets, c, which is not flooded, %d", toB, toC)
	}
	must(t, l.Querier(true))
	if toB, toC := given(); toB != 10 || toC != 0 {
		t.Errorf("with a querier b was given %d of 10 packets, c %d", toB-10, toC)
	}
}

// F-5: a network whose switch snoops and where nobody asks.
func TestQuerier_MissingMeansNothingArrives(t *testing.T) {
	t.Parallel()
	l := New(t, Options{Hosts: []string{"a", "b"}, NoQuerier: true, NoFlood: true})
	a, b := l.Host("a"), l.Host("b")
	for _, f := range families {
		m, e := speaker(t, a, f.addr(a), 1), member(t, b, f.group)
		if !staysSilent(t, m, f.group, e) {
			t.Errorf("%s: something arrives without a querier and without flooding", f.name)
		}
		must(t, b.SetFlood(true))
		if !reaches(t, m, f.group, e) {
			t.Errorf("%s: nothing arrives with flooding", f.name)
		}
		must(t, b.SetFlood(false))
	}
}

// F-5 again: the querier dies in the middle of a stream. Group traffic stops
// for good, and unicast goes on: connected, and nothing arrives.
func TestQuerier_GoneInTheMiddleStopsTheStream(t *testing.T) {
	t.Parallel()
	l := New(t, Options{Hosts: []string{"a", "b"}, NoFlood: true})
	a, b := l.Host("a"), l.Host("b")
	for _, f := range families {
		m, e, single := speaker(t, a, f.addr(a), 1), member(t, b, f.group), unicast(t, b, f.addr(b))
		if !reaches(t, m, f.group, e) {
			t.Fatalf("%s: nothing arrives with a querier", f.name)
		}
		must(t, l.Querier(false))
		if !staysSilent(t, m, f.group, e) {
			t.Errorf("%s: the stream goes on without the querier", f.name)
		}
		if !reaches(t, m, single.addr(), single) {
			t.Errorf("%s: unicast stopped as well", f.name)
		}
		must(t, l.Querier(true))
		if !reaches(t, m, f.group, e) {
			t.Errorf("%s: the querier is back, the stream is not", f.name)
		}
	}
}

func TestPartition_CutsOffUntilHealed(t *testing.T) {
	t.Parallel()
	l := New(t, Options{Hosts: []string{"a", "b", "c"}})
	a, b, c := l.Host("a"), l.Host("b"), l.Host("c")
	for _, f := range families {
		m := speaker(t, a, f.addr(a), 1)
		near, far, single := member(t, b, f.group), member(t, c, f.group), unicast(t, c, f.addr(c))
		if !reaches(t, m, f.group, near) || !reaches(t, m, f.group, far) || !reaches(t, m, single.addr(), single) {
			t.Fatalf("%s: no network to cut", f.name)
		}
		must(t, l.Partition(a, b))
		if !staysSilent(t, m, f.group, far) || !staysSilent(t, m, single.addr(), single) {
			t.Errorf("%s: something crosses the partition", f.name)
		}
		if !reaches(t, m, f.group, near) {
			t.Errorf("%s: the hosts of one side are cut off from each other", f.name)
		}
		must(t, l.Heal())
		if !reaches(t, m, f.group, far) || !reaches(t, m, single.addr(), single) {
			t.Errorf("%s: still cut off after healing", f.name)
		}
	}
}

func TestRouter_CarriesGroupsBetweenSegments(t *testing.T) {
	t.Parallel()
	l := New(t, Options{Segments: 2})
	a, err := l.AddHost("a", 0)
	must(t, err)
	b, err := l.AddHost("b", 1)
	must(t, err)
	r, err := l.AddRouter("r")
	must(t, err)
	c, err := l.AddHost("c", 1) // later than the router
	must(t, err)
	for _, f := range families {
		m, near := speaker(t, a, f.addr(a), 2), unicast(t, c, f.addr(c))
		if !reaches(t, m, near.addr(), near) {
			t.Errorf("%s: unicast is not routed", f.name)
		}
		atB, atC := member(t, b, f.group), member(t, c, f.group)
		if !staysSilent(t, m, f.group, atB) {
			t.Errorf("%s: the group is routed before anybody said so", f.name)
		}
		must(t, r.Route(a, f.group.Addr()))
		if !reaches(t, m, f.group, atB) || !reaches(t, m, f.group, atC) {
			t.Errorf("%s: the group is not routed", f.name)
		}
		// F-11: a TTL of 1 ends at the router.
		short := speaker(t, a, f.addr(a), 1)
		if !staysSilent(t, short, f.group, atB) {
			t.Errorf("%s: a TTL of 1 passes the router", f.name)
		}
	}
}
