package dtls

import (
	"context"
	"crypto/tls"
	"net/netip"
	"testing"

	"github.com/joinleaf/joinleaf/crypto"
)

func TestSign_WhatAMemberSaidIsKnownByItsPinAndNobodyElses(t *testing.T) {
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	write := func([]byte, netip.AddrPort) error { return nil }
	byCode, err := New(Config{Identity: crypto.Identity{Code: code}, Write: write})
	if err != nil {
		t.Fatal(err)
	}
	defer byCode.Close()
	byPin, err := New(Config{Admit: func(context.Context, crypto.PeerInfo) error { return nil }, Write: write})
	if err != nil {
		t.Fatal(err)
	}
	defer byPin.Close()
	text := []byte("member 7 is out")
	for _, e := range []*Endpoint{byCode, byPin} {
		sig, err := e.Sign(text)
		if err != nil {
			t.Fatal(err)
		}
		if pin, ok := Verify(text, sig); !ok || pin != e.Pin() {
			t.Errorf("signed by %v, not by %v (%v)", pin, e.Pin(), ok)
		}
		if _, ok := Verify([]byte("member 8 is out"), sig); ok {
			t.Error("another text passes")
		}
		for bit := range len(sig) * 8 {
			bad := sig
			bad[bit/8] ^= 1 << (bit % 8)
			if pin, ok := Verify(text, bad); ok && pin == e.Pin() {
				t.Errorf("bit %d flipped, and it passes", bit)
			}
		}
	}
	if _, ok := Verify(text, [SignatureSize]byte{}); ok {
		t.Error("no signature passes")
	}
	odd := &Endpoint{own: tls.Certificate{}}
	if _, err := odd.Sign(text); err == nil {
		t.Error("signed without a key")
	}
}
