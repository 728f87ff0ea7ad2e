package joinleaf

// The constants have the numbers of winsock2.h and qos.h.

// Version is the one that Startup takes: 2.2.
const Version = 0x0202

// FromProtocolInfo stands for "as the catalogue entry has it" (R25).
const FromProtocolInfo = -1

// Address families.
const (
	AFInet  = 2
	AFInet6 = 23
)

// Socket types. The joinleaf entries are SockRDM: messages, reliably delivered.
const (
	SockStream = 1
	SockDgram  = 2
	SockRaw    = 3
	SockRDM    = 4
	SockSeq    = 5
)

// Protocols. The four joinleaf protocols have numbers beyond those of IP.
const (
	ProtoTCP             = 6
	ProtoUDP             = 17
	ProtoRootedRooted    = 0x4A01 // control/data
	ProtoRootedNonrooted = 0x4A02
	ProtoNonrooted       = 0x4A03
	ProtoNonrootedRooted = 0x4A04
)

// Flags are WSA_FLAG_ bits, given when a socket is made.
type Flags uint32

// The flags of WSASocket.
const (
	FlagOverlapped Flags = 0x01
	FlagCRoot      Flags = 0x02
	FlagCLeaf      Flags = 0x04
	FlagDRoot      Flags = 0x08
	FlagDLeaf      Flags = 0x10
	FlagSecurity   Flags = 0x40
	FlagNoInherit  Flags = 0x80
	FlagRegistered Flags = 0x100

	flagsMultipoint = FlagCRoot | FlagCLeaf | FlagDRoot | FlagDLeaf
	flagsKnown      = FlagOverlapped | flagsMultipoint | FlagSecurity | FlagNoInherit | FlagRegistered
)

// JoinFlags are JL_ values: one of them, never several (R186).
type JoinFlags uint32

// What the joining socket does.
const (
	SenderOnly   JoinFlags = 1
	ReceiverOnly JoinFlags = 2
	JoinBoth     JoinFlags = 4
)

// Event bits, FD_. The index of a code in NetworkEvents is the bit's place.
const (
	FDRead              = 0x001
	FDWrite             = 0x002
	FDOOB               = 0x004
	FDAccept            = 0x008
	FDConnect           = 0x010
	FDClose             = 0x020
	FDQOS               = 0x040
	FDGroupQOS          = 0x080
	FDRoutingChange     = 0x100
	FDAddressListChange = 0x200

	FDMaxEvents = 10
	FDAllEvents = 0x3FF
)

// What a condition answers.
const (
	CFAccept = 0
	CFReject = 1
	CFDefer  = 2
)

// What Shutdown takes.
const (
	SDReceive = 0
	SDSend    = 1
	SDBoth    = 2
)

// What a catalogue entry can do, XP1_.
const (
	XP1Connectionless     = 0x00000001
	XP1GuaranteedDelivery = 0x00000002
	XP1GuaranteedOrder    = 0x00000004
	XP1MessageOriented    = 0x00000008
	XP1PseudoStream       = 0x00000010
	XP1GracefulClose      = 0x00000020
	XP1ExpeditedData      = 0x00000040
	XP1ConnectData        = 0x00000080
	XP1DisconnectData     = 0x00000100
	XP1SupportBroadcast   = 0x00000200
	XP1SupportMultipoint  = 0x00000400
	XP1ControlPlane       = 0x00000800 // rooted
	XP1DataPlane          = 0x00001000 // rooted
	XP1QOSSupported       = 0x00002000
	XP1Interrupt          = 0x00004000
	XP1UniSend            = 0x00008000
	XP1UniRecv            = 0x00010000
	XP1IFSHandles         = 0x00020000
	XP1PartialMessage     = 0x00040000
)

// PFL_ flags of a catalogue entry.
const (
	PFLMultipleProtoEntries = 1
	PFLRecommended          = 2
	PFLHidden               = 4
	PFLMatchesZero          = 8
)

// Ioctl codes.
const (
	FIONBIO              = 0x8004667E
	SIOFlush             = 0x28000004
	SIOGetQOS            = 0xC8000007
	SIOGetGroupQOS       = 0xC8000008
	SIOMultipointLoop    = 0x88000009
	SIOMulticastScope    = 0x8800000A
	SIOSetQOS            = 0x8800000B
	SIOSetGroupQOS       = 0x8800000C
	loopbackRoom         = 4 // a BOOL
	scopeRoom            = 4 // an int
	nonblockingRoom      = 4 // a u_long
	largestScope         = 255
	defaultScope         = 1
	largestBacklog       = 1024
	largestConnectData   = 64 << 10
	defaultSocketLimit   = 4096
	defaultCapacity      = 125_000_000 // bytes a second: a gigabit
	defaultLingerSeconds = 10
)

// Socket options.
const (
	SOLSocket           = 0xFFFF
	SOReuseAddr         = 0x0004
	SOLinger            = 0x0080
	SOConditionalAccept = 0x3002
)

// Service types of a flow specification.
const (
	ServiceNoTraffic             = 0
	ServiceBestEffort            = 1
	ServiceControlledLoad        = 2
	ServiceGuaranteed            = 3
	ServiceUnavailable           = 4
	ServiceGeneral               = 5
	ServiceNoChange              = 6
	ServiceNonconforming         = 9
	ServiceNetworkControl        = 0xA
	ServiceQualitative           = 0xD
	ServiceNoTrafficCtl          = 0x81000000
	ServiceNoQOSSignaling        = 0x40000000
	QOSNotSpecified              = 0xFFFFFFFF
	PositiveInfinity             = 0xFFFFFFFE
	serviceBits           uint32 = 0xFF
)
