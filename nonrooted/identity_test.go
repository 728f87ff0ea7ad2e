package nonrooted

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// authority signs members' certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	last int64
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t: t, key: key, cert: cert, last: 1}
}

func (a *authority) identity(name string) crypto.Identity {
	a.last++
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(a.last), Subject: pkix.Name{CommonName: name}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return crypto.Identity{Certificate: &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, CAs: pool}
}

func TestCertificates_MembersComeInByThemAndWhoIsEvictedStaysOut(t *testing.T) {
	inRoom(t, 31, lan, func(r *room) {
		ca := newAuthority(t)
		var ids []crypto.Identity
		for i := range 4 {
			ids = append(ids, ca.identity(name(i)))
		}
		admin, err := ids[1].Pin()
		if err != nil {
			t.Fatal(err)
		}
		with := func(id crypto.Identity) func(*Config) {
			return func(c *Config) {
				c.Identity, c.Authorize, c.Admins = id, AuthorizeAnyVerified, []crypto.Pin{admin}
			}
		}
		for _, id := range ids[:3] {
			r.join(with(id))
		}
		ps := r.in
		r.settle(time.Second, ps...)
		if ps[1].Pin() != admin {
			t.Error("a member's pin is not its certificate's")
		}
		exchangeNew(r, ps)
		// An admin, who is not the coordinator, puts one out; its key is out for good.
		if err := ps[1].Evict(r.ctx, ps[2].ID()); err != nil {
			t.Fatal(err)
		}
		<-ps[2].Done()
		ps[2].Close()
		c := r.config("again")
		with(ids[2])(&c)
		if _, err := Join(r.ctx, testGroup, c); !errors.Is(err, transport.WSAEACCES) {
			t.Errorf("the evicted one comes again: %v", err)
		}
		// Another authority's member, and one whom Authorize does not want.
		c = r.config("foreign")
		with(newAuthority(t).identity("foreign"))(&c)
		if _, err := Join(r.ctx, testGroup, c); !errors.Is(err, crypto.ErrCertificate) {
			t.Errorf("another authority's member: %v", err)
		}
		c = r.config("unwanted")
		with(ids[3])(&c)
		c.Authorize = func(context.Context, crypto.PeerInfo) error { return errors.New("not these") }
		if _, err := Join(r.ctx, testGroup, c); err == nil {
			t.Error("a member joined a session whose members it does not want")
		}
		r.settle(time.Second, ps[0], ps[1])
	})
}

func TestConfig_WhatIsMissingIsSaid(t *testing.T) {
	inRoom(t, 32, lan, func(r *room) {
		ca := newAuthority(t)
		for what, change := range map[string]func(*Config){
			"no identity":                     func(c *Config) { c.Identity = crypto.Identity{} },
			"certificates without Authorize":  func(c *Config) { c.Identity = ca.identity("x") },
			"too much caller data":            func(c *Config) { c.Data = make([]byte, MaxData+1) },
			"more members than there may be":  func(c *Config) { c.Limit = 257 },
			"an interface that is not there":  func(c *Config) { c.Interface = "none0" },
			"a latency below a millisecond":   func(c *Config) { c.Latency = time.Microsecond },
			"a role that there is not":        func(c *Config) { c.Role = 3 },
			"a data plane that there is not":  func(c *Config) { c.Plane = 2 },
			"a window that cannot be counted": func(c *Config) { c.Window = -1 },
		} {
			c := r.config("p")
			change(&c)
			if p, err := Join(r.ctx, testGroup, c); err == nil || transport.CodeOf(err) == 0 {
				t.Errorf("%s: %v", what, err)
				if p != nil {
					p.Close()
				}
			}
		}
	})
}

func TestLimit_OneTooManyIsToldSo(t *testing.T) {
	inRoom(t, 33, lan, func(r *room) {
		ps := r.joinAll(2, func(c *Config) { c.Limit = 2 })
		r.settle(time.Second, ps...)
		if _, err := Join(r.ctx, testGroup, r.config("third")); !errors.Is(err, transport.WSAECONNREFUSED) {
			t.Errorf("a third member: %v", err)
		}
	})
}
