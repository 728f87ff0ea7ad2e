// Package flow is the data plane's two machines: a [Sender] that keeps, paces
// and repairs what one member sends, and a [Receiver] that puts one sender's
// messages together again. They take frames and times and give frames and
// times: no socket, no clock, no lock, no goroutine. A session owns those, and
// seals the frames.
//
//	      Write                                       Read
//	        |                                           ^
//	+-------v--------+  DATA, PARITY, NOTE,     +-------+--------+
//	|     Sender     |  BEAT (group)            |    Receiver    |
//	| ring by stream | -----------------------> | ring by stream |
//	| members, pacer |  repairs to one member   | slabs, gaps    |
//	+-------^--------+ <----------------------- +----------------+
//	   Poll, Failed       NAK, STATUS (to the         Handle, Advance,
//	                      sender alone)               Poll
//
// # Use
//
// A session calls Write and, when Due says that a batch is worth it or nothing
// more is to be written, Flush and then Poll until it says no. After Handle it
// calls Poll again, because a STATUS may have freed credit; at NextTimeout it
// calls Advance and Poll. When a write to the network fails it calls Failed
// before anything else and waits a moment.
//
// On the other side it calls Handle for every frame of a read, then Advance
// once, then Poll until it says no, then wakes readers for which Next says
// yes. After Read, when Urgent says so, and at NextTimeout, Advance and Poll
// again. A frame lies in a [Slab] that the session read into; Handle keeps a
// reference, never a copy, so the session packs single small packets into one
// slab before it hands them in.
//
// # Three classes
//
// Reliable: every message that was written after a member was admitted reaches
// it, once and in order, however long it takes; it is waited for. Only where a
// member is not waited for (another [Policy], quarantine), or once the sender is
// gone, is there a gap.
//
// BestEffort: nothing is asked for or waited for. What has not come when the
// reorder guard has passed is gone.
//
// Deadline: what is lost is asked for as long as the answer can come within the
// latency of when it was due; then it is gone.
//
// In any class a gap is told exactly once, as the number of messages in it, in
// its place between two messages.
//
// # Symbols
//
// A stream is a row of symbols, numbered from 0. Messages are records, {length,
// bytes}, that run on from symbol to symbol:
//
//	        symbol 7                 symbol 8                 symbol 9
//	+----+----+-----------+  +----+----------------+  +----+-----+--------+
//	|head| #4 | #5 ...    |  |head| ... #5 ...     |  |head| ..#5| #6 ... |
//	+----+----+-----------+  +----+----------------+  +----+-----+--------+
//	 head 0, message 4        head none, message 6     head 40, message 6
//
// The head names the first record that starts in the symbol, so that whoever
// lost symbol 8 knows on symbol 9 that exactly message 5 is missing. Reliable
// packets are full to the brim. Best-effort messages that fit a symbol never
// straddle two.
//
// # Frames
//
// Big-endian. DATA has a head of 16 bytes, so that full packets are equal
// segments of one batch:
//
//	DATA    1 | geom 1 | stream 2 | seq 6 | pos 2 | sent 4 || len 2 | head 2 | message 4 | payload | zeros
//	PARITY  2 | geom 1 | stream 2 | first 6 | row 1 | place 2 | sent 3 || symbol
//	NOTE    3 | n 1 | stream 2 | n x {first 6, n 2, geom 1, D x need 1}
//	BEAT    4 | n 1 | sent 4 | grtt 1 | leaves 2 | peak 1 | loss 1 | rate 2 | n x {stream 2, next 6, oldest 6, message 4} | reporters
//	NAK     5 | flags 1 | stream 2 | echo 4 | held 4 | base 6 | {gap, run} varints
//	STATUS  6 | flags 1 | echo 4 | held 4 | expected 4 | heard 4 | n 1 | n x {sender 4, stream 2, delivered 6, highest 6, limit 6} | 5 varints
//
// Each stands in full above its Append and Parse. testdata holds one of each.
//
// # Judges
//
// Where others hold the sender's key a [Judge] knows its symbols by their hashes. It
// is asked last, about what has a place. What it does not know yet is kept and
// counts as come, but is not read; the cursor stops there. What it finds to be
// another's is dropped, or taken back by Reject and asked for. What is Unknown holds
// a reliable stream up for as long as the sender keeps it, others for a second.
//
// # Blocks
//
// Symbols are coded in blocks of up to 64 x D. Column c of a block is every D-th
// symbol from the c-th on, so a burst of losses takes few from each; above 8
// members D grows with the rate as long as a block is full within 8 ms. A row of parity is a sum
// of the column's symbols with factors of its own (code.go), and m different
// rows give back any m lost symbols. Rows are made when they are wanted, none
// twice. Symbols that were read stay until their block ends, at the sender until
// all of it was delivered.
//
// # Laws
//
// Credit. A sender never passes the least limit of its counted members:
//
//	limit = min(delivered + window, heard + room)
//
// The first is what the member's application leaves room for, the second what
// its socket holds; so a paused reader costs time and no packet. Best effort
// has only the second, and a member that says nothing for 200 ms while it
// blocks does not hold it back.
//
// Asking. A NAK carries every gap whose guard has passed. The guard is 100 us
// or twice the disorder seen of late, with two paths up to their skew. Up to 8
// members ask at once; more wait for the block's end and draw a time, and who
// lacks most draws the earliest. Rows in hand stand for as many holes; a NOTE
// that promises enough puts asking off.
//
// Repair. A symbol asked for goes again if the member has since heard something
// sent later than it (causality), else not before two round trips. Per block,
// with U packets if each goes to whom it lacks (up to 8 members, UnicastRepair),
// M symbols to the group, or C rows to the group: the first if U <= 2.5 C, the
// second if M <= 1.25 C, else rows. Above 8 members so many rows go unasked that
// three blocks of four need no NAK; none while nothing is lost. Repairs take a
// quarter of the bytes while new data could go.
//
// Standing. Who alone holds the others back for half of two seconds, or asks for
// more than a tenth of what is sent and far more than the others do, is
// quarantined: it is served by unicast within a tenth of the bytes and not
// waited for. Where it falls behind the ring it is told to go on with what is
// sent now. After five clean seconds, doubled at each relapse up to a minute, it
// counts again; after a minute without it is overdue.
//
// Late members begin with what Replay keeps (From) and catch up by repairs. The
// ring waits for them ten seconds, the others do not.
//
// Rate. Credit is the clock on a LAN, and a [RateLaw] above it: LAN slows down
// only where loss goes with the rate, as it tests by going slower; TFMCC keeps
// to what TCP would have to the worst member. Neither hears of what a member's
// own host dropped, nor of who is not waited for.
//
// Time. A BEAT goes every 20 ms under load, more often while the rate of the LAN law
// still doubles and few answer, and 5, 10, 20 .. 1,000 ms after the
// last data, at least every 100 ms while anything is owed; each brings a
// STATUS. So no loss of a NAK, a STATUS or a tail can wedge the flow.
//
// Memory. A stream of a Sender keeps at most max(2 window, History), of a
// Receiver one window of references; the [Pool] counts slabs, and what is new
// is refused once they are Over budget, while what fills gaps is not. The
// queue of events holds 32. Idle machines give their rings back.
//
// # Limitations
//
//   - What a quarantined member missed is gone: nothing keeps it beyond the ring.
//     The reporters of BEAT are kept for groups so large that not all can report.
//   - The rate laws were shown on simulated bottlenecks only. LAN can lose 5 % at
//     20 Mbit/s, where a batch is a large part of the queue.
//   - A [Pool] keeps the slabs of its peak until it goes.
//   - A member learns the size of the group from its first BEAT; until then it
//     asks like one of a few.
//   - On processors without SIMD kernels the code's tables take 32 MB, once a
//     process.
//   - In a group of n > 8 a member reports at most every n/4 ms, so with small
//     sockets credit bounds the rate: room packets in that time.
//   - Who holds the group's key can forge DATA and BEAT of any sender; without a
//     Judge these machines believe what was opened, and with one they still do but
//     for what is read. A forged BEAT can make a receiver skip, and a forged symbol
//     far ahead a stream that may lose.
//   - The socket's room is shared evenly by the streams of a sender, whether
//     they are used or not.
//   - A gap of 2^32 messages or more is told short.
//   - Sequences end after 2^48 symbols; Write then says ErrFull for ever.
package flow
