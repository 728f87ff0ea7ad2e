// Package dtls gives two members of a session a private channel for datagrams,
// where no TLS connection leads: pairs of equals, leaf to leaf.
//
// An [Endpoint] is one end of many associations over one UDP socket, which the
// caller owns: every packet that [Owns] says is ours goes to [Endpoint.Handle],
// and Config.Write sends. It dials and accepts at once.
//
//	e, err := dtls.New(dtls.Config{Identity: crypto.Identity{Code: code}, Write: send})
//	conn, err := e.Dial(ctx, addr, dtls.Who{Pin: pin}) // or e.Accept(ctx)
//	err = conn.Write(datagram)
//	n, err := conn.Read(ctx, buffer)
//	key, err := conn.Export("EXPORTER-of-mine", nil, 32)
//
// # Identities
//
// Both ends prove themselves in the same way, one of three: a join code, a
// certificate that the session's authorities have signed, or a key whose pin
// the other end knows from a roster. Pins can be demanded besides the other
// two. A join code is proven after the DTLS handshake, by the acceptor first,
// and the proof covers this association's exporter and both keys: it cannot be
// reflected, replayed or relayed. Config.Admit has the last word. An end that
// refuses says why, so a mistake in the setup is the same error at both ends,
// and nobody's data is taken before both have accepted.
//
// # Strangers
//
// A dialler first asks for a token, which says that it hears packets at its
// address; no state is kept and the answer has less than a third of the
// question's bytes. Associations are found by address and by 8 random bytes
// that the dialler drew, so who cannot see the packets cannot send any that
// arrive. Handshakes are limited in number, per address and in time, and the
// oldest gives way to others when all places are taken. [Stats] counts every
// datagram and record that went no further, by reason.
//
// # Words that can be shown
//
// [Endpoint.Sign] signs a text with the key behind this end's pin, and [Verify]
// checks it, with no association: a member can show a third what a second said.
// No handshake can be made to sign such a text.
//
// # The profile
//
// DTLS itself is github.com/pion/dtls/v2 v2.2.12, which is imported nowhere
// else. Its branch is not maintained any more and has known weaknesses: in the
// nonces of its cipher suites, in CBC records, in pre-shared key exchange, in
// what it accepts unprotected, in how it stores fragments, in names and in
// signature schemes. It is run in one configuration, without options, where
// they cannot be reached:
//
//   - The only cipher suite is our own, ChaCha20-Poly1305 of RFC 7905 with
//     record numbers for nonces, agreed by X25519. pion's suites are neither
//     offered nor accepted.
//   - The only signature scheme is ECDSA on P-256 with SHA-256, for keys of
//     that kind alone.
//   - The extended master secret is required. There is no resumption, no
//     renegotiation, no pre-shared key and no key log.
//   - A guard lets nothing reach pion in the clear but the fragments of the
//     messages that a handshake needs, each checked and all counted, and
//     nothing at all once Finished has opened. Behind the encryption the same
//     limits hold. Early protected records wait until they can be used.
//   - Certificates and names are judged here, not by pion, and every peer has
//     a certificate.
//   - pion prints nothing, whatever the environment says.
//
// The cookie, retransmission and the replay window (1,024 records) are pion's.
// No exported name mentions a type of pion's: another implementation can stand
// behind the same package, and a peer with it can talk to one with this.
//
// # Goroutines
//
//   - serve, one per association, started by Dial and by Handle: the handshake,
//     the proofs, then waiting for the end. It ends with the association:
//     Close at either end, IdleTimeout, Lifetime, a failed handshake.
//   - pump, one per association, started by serve after the handshake: hands on
//     what was received. It ends when serve closes pion's connection.
//
// pion runs three more for each association, which end when serve closes its
// connection; Conn.Close and Endpoint.Close wait for all of them.
//
// All of it runs inside a testing/synctest bubble.
//
// # Limitations
//
// DTLS 1.2 only: no key update, no connection ids. An association is over after
// an hour, or 2^32 records each way; one whose address changes is over as well.
// Dial again.
//
// An association costs five goroutines and some 55 KB, a handshake about 2 ms
// for both ends together, a datagram some 20 allocations: this is for control
// and repair among hundreds of peers, not for a session's data.
//
// Somebody on the path between two members can make their handshake fail by
// sending false fragments first, as in any DTLS. It then looks like a timeout;
// nothing is given away. Without being on the path nobody can.
//
// A peer that has proven itself may send rubbish and hold up its own
// association. Close can take a second when a handshake packet has just been
// repeated.
//
// In the clear stand certificates, sizes and times, and who talks with whom.
//
// pion keeps the master secret in memory of its own until the association is
// collected; what this package holds is cleared. The join code passes through
// strings that Go cannot clear.
//
// Ed25519 and RSA certificates are refused: see the profile. So is everything
// while FIPS 140-3 is enforced ([ErrFIPS]): neither cipher nor key agreement is
// approved there.
//
// Scanners report pion/dtls/v2 for GO-2026-4479 (nonces) and
// GHSA-wg4g-wm44-ch5j (pre-shared keys) for good, since no version of the branch
// is mended. Neither is reachable here.
package dtls
