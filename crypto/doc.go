// Package crypto says who is who, and keeps what a group says private.
//
// It has three parts. [Handshake] turns a connection between a root and a leaf
// into a proven [Channel]: TLS 1.3, and an [Identity] at both ends. A [Ring]
// seals and opens the session's packets under keys that the members got over
// such channels, and a [Tree] moves those keys on when members come and go.
// Signatures say who sent what: an [Author] makes them, a [Witness] checks them.
//
// # Identities
//
// There are three, and the zero Identity is an error:
//
//	(a) a join code     members share a JoinCode: 128 random bits, made by NewCode
//	(b) certificates    both ends show one, signed by an authority of Identity.CAs
//	(c) a pinned root   leaves know the root key's fingerprint, a Pin; who a leaf
//	                    is, its token says, which the caller sends when the
//	                    Handshake is done
//
// With a join code each end proves that it holds the code without showing it,
// the root first. A proof covers the TLS connection and both ends' keys, so it
// cannot be reflected, replayed or relayed. An end that refuses says why, so a
// mistake in the setup is the same error at both ends: [ErrProof], [ErrPin],
// [ErrCertificate], [ErrVersion] or [ErrIdentity]. A Handshake succeeds only
// when both ends have accepted.
//
// # Epochs and packets
//
// An [Epoch] is a secret that all members share. The root makes the first and
// tells it to each leaf as 88 bytes of state. When somebody joins, everybody
// takes a one-way step ([Epoch.Next]): the joiner cannot read what was before.
// When somebody left, a fresh one is told to those who stay ([Epoch.Fresh]): the
// leaver cannot read what follows.
//
// From the epoch's secret follow a secret per sender and from that a key for
// every 2^22 packets; the nonce is the packet number, which never repeats. Each
// pair of root and leaf has keys of its own as well ([PairKeys]). [Ring.Seal]
// and [Ring.Open] allocate nothing; Open checks for replays, opens and only then
// marks the number, in one call. The suites are AES-256-GCM, ChaCha20-Poly1305
// where there is no AES hardware, and AES-256-GCM with random nonces where FIPS
// 140-3 is enforced. There is no suite that does not seal. When an epoch is over
// [Ring.Limit] refuses what somebody seals under it beyond where its senders
// ended, as an [EpochNotice] tells.
//
// # The key tree
//
// To tell each of 10,000 members a fresh secret takes 10,000 messages. With a
// [Tree] at the root and a [Path] at each member it takes one packet: the tree
// has a key for every member and for every node above, a member has those on its
// path, and a removal gives new keys to the nodes that the removed one knew, each
// sealed once, for the subtree beside its path. A joiner's path takes a one-way
// step instead, which everybody computes. [Tree.Commit] does all that gathered
// since the last one at once and makes the epoch that follows. Its parts are
// signed and go to the group; joiners, and those who missed one, get a [Grant]
// over their channel, which holds the root's public key as well. Package rooted
// runs all of this for a session with a root.
//
// # Who said it
//
// Every member can seal in any other's name. What only its author may say is
// signed: rekeys, epoch notices and what else the caller has, one by one; data by
// manifests. A [ManifestSigner] gathers the hashes of symbols, up to 512 or for
// at most 5 ms, and signs for all of them at once; a [ManifestVerifier] says of
// each symbol whether it is its sender's own, and how far a stream may be
// delivered. The hash is of stream, sequence and symbol, so a repair, under
// whatever epoch, is checked like the original. SHA-256 is the fastest
// collision-resistant hash of Go's library where the CPU has instructions for
// it, and the one that FIPS 140-3 allows. On amd64 [HashSymbols] takes several at
// once, in assembly of our own, but in FIPS 140-3 mode: with AVX-512 up to sixteen
// symbols of about one length, each in a lane of the registers; with SHA
// instructions two of one length, interleaved; else one by one. AES-256-GCM comes
// from package aesgcm, which has assembly of its own for those processors, and
// crypto/cipher for all others and in that mode.
//
// docs/wire.md describes the bytes; testdata holds vectors for all of them.
//
// # Secrets
//
// Codes, tokens, keys and epochs print, log and encode as a few words that say
// what they are. Only [JoinCode.Reveal], [Epoch.AppendState], [Tree.AppendGrant],
// [PairKeys] and [LeafKey] give a secret away. Errors never hold one. Processes should set RLIMIT_CORE to 0.
//
// # Goroutines
//
// The package keeps none. During a Handshake the end of its ctx closes the
// connection from a goroutine of package context, which ends with that.
// [Ages.Pass] leaves a timer, whose callback ends epochs and is short.
//
// # Without protection
//
// [InsecurePlaintextForTesting] is for measurements and for reading packets. It is
// another protocol: [PlainHandshake] in place of TLS, packets of version 15 with
// another session tag, nothing sealed. An end that has it and one that has not drop
// each other's packets as of another version and end each other's connections.
//
// # Limitations
//
// A group key proves membership, not authorship. Any member can derive any
// sender's keys and seal a packet in the root's name; at [LevelGroup] group
// packets are only as trustworthy as the least trustworthy member. Packets
// between root and leaf do not share this: their keys are the pair's own.
//
// Manifests keep forgeries from being delivered, not from being sent. A forged
// symbol that comes before the true one takes its place until the manifest comes,
// and costs a repair; a flood of forged manifests makes members ask the sender,
// pairwise, for what they need. A hash in a manifest has 128 bits: nobody but the
// sender can make another symbol for it, but the sender itself could prepare two
// with 2^64 work and tell different members different things.
//
// The root is trusted: it knows every key of the tree, and could tell two members
// different things of anything but their keys. A node's key that was stolen is
// not healed by time; it is replaced when a member below it is removed. Removing a
// large share of a large group at once takes hundreds of packets, each of which
// every member needs: granting anew over the channels may be cheaper.
//
// Whoever holds a join code can pose as the root to a leaf that has not joined
// yet, unless that leaf has the root's fingerprint too; and who was evicted can
// come back until the code is changed.
//
// In (c) the leaf proves nothing here; the root must have its token judged. In
// (b) certificates are checked when a member joins and never again here:
// revocation and expiry during a session are the caller's.
//
// Packet numbers live in memory. A virtual machine that is cloned or set back
// while a session runs uses them twice under the same keys, which gives away
// what was sealed. So would two Rings for one member id.
//
// Go cannot clear the key schedules inside its ciphers, nor copies that moving
// stacks leave behind. Secrets that this package holds itself are cleared; built
// with GOEXPERIMENT=runtimesecret, derivations leave no traces either (Linux on
// amd64 and arm64).
//
// In FIPS 140-3 mode (GODEBUG=fips140=only) suite 2 is the only one: 12 bytes
// more a packet, and all members must use it. A random nonce repeats under a key
// with odds of about 2^-53.
//
// Sizes, times, membership and packet numbers are visible to anybody who can
// see the packets. Nobody is kept from sending rubbish: Ring counts it.
package crypto
