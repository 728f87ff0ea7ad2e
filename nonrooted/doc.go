// Package nonrooted is the place of sessions of equals: peers that join a
// group which no root owns.
//
// It is empty. Nothing here can be called until the issue that builds it has
// landed; until then use [github.com/joinleaf/joinleaf/rooted], where one root
// admits the leaves. A rooted session whose data plane is nonrooted lets every
// leaf send to all others, so many uses need no more.
//
// # Limitations
//
// There is no code in this package.
package nonrooted
