package wire

import "github.com/asteri/asteri-loop"

// protocolVersion is the version of PROTOCOL.md.
const protocolVersion = 1

// Windows, in bytes.
const (
	// ResponseWindow is how many bytes of a response a worker may send before it is
	// granted more.
	ResponseWindow = 256 << 10
	// BodyWindow is how many bytes of a streamed body a worker may hold unread.
	BodyWindow = asteri.BodyWindow
)

// What a worker may put into one frame, or into one response. The shim keeps to all of it
// whatever its application does, but for the bytes of a head, which are the application's
// mistake (Reader.ResponseHead).
const (
	// MaxFrame bounds a frame's payload.
	MaxFrame = 16 << 20
	// MaxItem bounds a message of a WebSocket, or a piece of one, in bytes.
	MaxItem = 64 << 10
	// MaxStatus bounds a status with its reason phrase, in bytes. The shim keeps to it.
	MaxStatus = 512
	// MaxInforms is how many interim responses a request may have. Beyond it is the
	// application's mistake.
	MaxInforms = 100
	// MaxRecalled is how many calls one RECALL asks for.
	MaxRecalled = 8 << 10

	maxAnswers    = 64       // in a frame
	maxAnswerBody = 64 << 10 // bytes
	maxFields     = 1024     // in a head
	maxObjects    = 1 << 18  // in a frame, those that are referred to counted each time
	maxRecords    = 16       // in a LOG
	maxLogMessage = 256 << 10
	maxLogger     = 100     // bytes of the name of a logger that are read
	maxCapacity   = 1 << 16 // of a worker, and so of the table of its calls
	maxSources    = 10_000  // files in a SOURCES
	maxSource     = 4 << 10 // bytes of the name of one
	// fieldCost is what a field counts beside its name and value: a colon, a space
	// and a line break.
	fieldCost = 4
)
