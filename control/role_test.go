package control

import "testing"

func TestNarrow_WhatOneSideReallyDoes(t *testing.T) {
	for _, c := range []struct{ own, other, want Role }{
		{Both, Both, Both}, {Both, SendOnly, ReceiveOnly}, {Both, ReceiveOnly, SendOnly},
		{SendOnly, Both, SendOnly}, {SendOnly, ReceiveOnly, SendOnly},
		{ReceiveOnly, Both, ReceiveOnly}, {ReceiveOnly, SendOnly, ReceiveOnly},
	} {
		if !Meet(c.own, c.other) {
			t.Errorf("%v and %v do not meet", c.own, c.other)
		}
		if got := Narrow(c.own, c.other); got != c.want {
			t.Errorf("%v towards %v is %v, want %v", c.own, c.other, got, c.want)
		}
	}
}
