package status

import "time"

// Report is the document at PATH.json. Fields may be added; those that are here
// stay. docs/status.schema.json describes it for programs.
//
// Who reports fills what it knows: the package itself adds Time, Access, Ready,
// Reason, Host, Process, Traffic, History, Requests, Errors and what workers use.
type Report struct {
	// Time is when the document was gathered.
	Time time.Time `json:"time"`
	// Access is "public" or "full": the fields from Requests on are there with
	// full access only, and so is Worker.LastError.
	Access string `json:"access"`
	Server Server `json:"server"`
	// Ready is what the path for readiness says.
	Ready bool `json:"ready"`
	// Reason says why the server is not ready.
	Reason      string      `json:"reason,omitempty"`
	Application Application `json:"application"`
	// Mounts are further applications.
	Mounts []Application `json:"mounts,omitempty"`
	Host   Host          `json:"host"`
	// Process is what the server's own process uses, without the workers.
	Process Process `json:"process"`
	// Connections is the number of open client connections.
	Connections int64 `json:"connections"`
	// Handshakes is the number of unfinished TLS handshakes.
	Handshakes int `json:"handshakes"`
	// Overload is how much of the buffer memory is used: 0 calm, 1 tight, 2 over.
	Overload int `json:"overload"`
	// BufferBytes is the memory that buffers of connections use.
	BufferBytes int64 `json:"buffer_bytes"`
	// InFlight is the number of requests that applications have.
	InFlight int `json:"in_flight"`
	// Refused counts connections that were closed before a protocol had
	// them, by reason.
	Refused map[string]uint64 `json:"refused,omitempty"`
	Loops   []Loop            `json:"loops"`
	// Certificates are those that clients get over TLS.
	Certificates []Certificate `json:"certificates,omitempty"`
	// HTTP3 is there if HTTP/3 is spoken.
	HTTP3 *HTTP3 `json:"http3,omitempty"`
	// WebSockets is there once one was asked for.
	WebSockets *WebSockets `json:"websockets,omitempty"`
	// Workers and Queue are there if the model counts its requests.
	Workers []Worker `json:"workers,omitempty"`
	Queue   *Queue   `json:"queue,omitempty"`
	// Scaling is how many workers each application is to have whose workers are processes.
	Scaling []Scaling `json:"scaling,omitempty"`
	Traffic Traffic   `json:"traffic"`
	// History is not in the events after a listener's first one.
	History *History `json:"history,omitempty"`

	// Requests are those in flight, the oldest first; at most MaxRequests.
	Requests []Request `json:"requests,omitempty"`
	// Errors are the last errors of the log, equal ones as one, the latest first.
	// RecentErrors is how many records were errors in the last five minutes.
	Errors       []ErrorGroup `json:"errors,omitempty"`
	RecentErrors uint64       `json:"recent_errors,omitempty"`
	// Configuration has a row for each setting.
	Configuration []Setting `json:"configuration,omitempty"`
	// Memory is which routes have made workers grow, those first that did most; at
	// most MaxRoutes.
	Memory []RouteMemory `json:"memory,omitempty"`
}

// MaxRoutes bounds the rows of Report.Memory.
const MaxRoutes = 50

// RouteMemory is by how much the requests of one route have made workers grow since the
// last reload.
type RouteMemory struct {
	Method string `json:"method"`
	// Route is the pattern of the framework where it is known, else the path without
	// what tells one thing from another. It is empty for what no request can be
	// blamed for, and "other" for routes beyond a bound.
	Route string `json:"route"`
	App   string `json:"app,omitempty"`
	// At is where its application is mounted, if it is.
	At string `json:"at,omitempty"`
	// Requests were measured.
	Requests uint64 `json:"requests"`
	// Grown is in bytes, what was not measured estimated and what was given back
	// taken off. Most is the most by one measured request.
	Grown int64 `json:"grown_bytes"`
	Most  int64 `json:"most_bytes"`
}

// Server identifies the server process.
type Server struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Uptime is in seconds.
	Uptime float64 `json:"uptime_seconds"`
}

// Application says what is being served.
type Application struct {
	// Name is what the user gave, empty for the demonstration.
	Name string `json:"name"`
	// Interface is "wsgi", "asgi", "tornado" or "go".
	Interface string `json:"interface,omitempty"`
	// Model is the worker model.
	Model string `json:"model"`
	// At is the host and path where the application is mounted, if it is.
	At string `json:"at,omitempty"`
	// State is ApplicationFailed for one of several that could not be started: it
	// answers 503, and is tried again. Error says why, with full access.
	State string `json:"state,omitempty"`
	Error string `json:"error,omitempty"`
}

// ApplicationFailed is an Application.State.
const ApplicationFailed = "FAILED"

// Host is the machine. Where the system does not tell, only CPUs is not zero.
type Host struct {
	CPUs int `json:"cpus"`
	// CPU is the share of all processors' time that was used lately, 0 to 1.
	CPU float64 `json:"cpu"`
	// Load is the system's load average over 1, 5 and 15 minutes.
	Load [3]float64 `json:"load"`
	// Memory and Available are in bytes; what is available could be used
	// without swapping.
	Memory    int64 `json:"memory_bytes"`
	Available int64 `json:"memory_available_bytes"`
}

// Process is what a process uses.
type Process struct {
	// CPU is in processors: 1.5 is one and a half. It is of the last seconds.
	CPU float64 `json:"cpu"`
	// CPUSeconds is the processor time since the start.
	CPUSeconds float64 `json:"cpu_seconds"`
	// RSS counts shared pages in full, PSS divides each by the number of its
	// users. In bytes; 0 where the system does not tell.
	RSS int64 `json:"rss_bytes"`
	PSS int64 `json:"pss_bytes"`
}

// Loop is one event loop.
type Loop struct {
	ID int `json:"id"`
	// Active says that the loop gets new connections.
	Active bool `json:"active"`
	// Connections are open now; Accepted were since the start.
	Connections int64  `json:"connections"`
	Accepted    uint64 `json:"accepted"`
	// Ticks counts the loop's rounds, Panics the failures of sessions.
	Ticks  uint64 `json:"ticks"`
	Panics uint64 `json:"panics"`
	// Lag is how long the loop took, when it was last asked, to come to
	// something new; if it has not yet, the time since. In seconds.
	Lag float64 `json:"lag_seconds"`
}

// Certificate is one that clients get.
type Certificate struct {
	// Name is its first: of a host, else an address, else the subject's. Of several
	// with one name this is the one that ends first.
	Name string `json:"name"`
	// NotAfter is when it, or one of its chain, expires.
	NotAfter time.Time `json:"not_after"`
	// Ends says that it has expired, or should have been replaced by now.
	Ends bool `json:"ends,omitempty"`
}

// Worker is one worker process.
type Worker struct {
	PID   int    `json:"pid"`
	Model string `json:"model"`
	// App is the application that it runs.
	App string `json:"app,omitempty"`
	// At is where its application is mounted, if it is.
	At string `json:"at,omitempty"`
	// State is "STARTING", "IDLE", "BUSY", "DRAINING" (finishes what it has, then
	// exits) or "RESTARTING" (was ended, and another comes in its place).
	State string `json:"state"`
	// InFlight requests are with the worker, Served were answered by it, and Frames is how many batches it
	// got its requests in.
	InFlight int    `json:"in_flight"`
	Served   uint64 `json:"served"`
	Frames   uint64 `json:"frames"`
	// WebSockets is how many it has open, which are not in flight.
	WebSockets int `json:"websockets,omitempty"`
	// Age is the time since the start of the process, in seconds.
	Age float64 `json:"age_seconds"`
	Process
	// LastError is the last error that the log has of it.
	LastError *LogRecord `json:"last_error,omitempty"`
	// Recycling is there if the worker is to be replaced some day.
	Recycling *Recycling `json:"recycling,omitempty"`
}

// Recycling foretells when a worker will be replaced.
type Recycling struct {
	// Requests are those that it still takes.
	Requests uint64 `json:"requests"`
	// Seconds is how long that will be at the pace so far.
	Seconds float64 `json:"seconds,omitempty"`
}

// WebSockets counts those of all applications, from the start.
type WebSockets struct {
	Open   uint64 `json:"open"`
	Opened uint64 `json:"opened"`
	// Refused opening handshakes were malformed.
	Refused     uint64 `json:"refused"`
	MessagesIn  uint64 `json:"messages_in"`
	MessagesOut uint64 `json:"messages_out"`
	// Failures counts those that were closed because of what the client sent,
	// by reason.
	Failures map[string]uint64 `json:"failures,omitempty"`
	// Silent clients answered no ping, Stalled ones did not read, NotAnswered
	// ones did not answer a Close.
	Silent      uint64 `json:"silent"`
	Stalled     uint64 `json:"stalled"`
	NotAnswered uint64 `json:"not_answered"`
}

// Scaling is how many workers an application is to have.
type Scaling struct {
	App string `json:"app,omitempty"`
	// At is where it is mounted, if it is.
	At     string `json:"at,omitempty"`
	Wanted int    `json:"wanted"`
	// Least and Most are the bounds of a number that goes by the load, and Load is how many workers
	// are at work, of late, in parts of one.
	Least int     `json:"least,omitempty"`
	Most  int     `json:"most,omitempty"`
	Load  float64 `json:"load,omitempty"`
	// Fixed says that an operator has chosen the number, until a reload.
	Fixed bool `json:"fixed,omitempty"`
}

// Queue holds the requests that no worker could take yet.
type Queue struct {
	Waiting  int `json:"waiting"`
	Capacity int `json:"capacity"`
}

// Traffic is what was answered, lately and since the start.
type Traffic struct {
	// Window is the time that rates and latencies are of, in seconds: the last
	// minute, or less after the start.
	Window float64 `json:"window_seconds"`
	// All counts all requests, Protocols and Classes the same by the protocol
	// and by the class of the status, such as "2xx", or "none" without one.
	All       Rates   `json:"all"`
	Protocols []Rates `json:"protocols"`
	Classes   []Rates `json:"classes"`
	// TLS counts requests by the version of TLS that they came over, "none" for
	// those that came over plain connections.
	TLS map[string]uint64 `json:"tls"`
}

// Rates is how much there was of something, and how long it took.
type Rates struct {
	Name string `json:"name"`
	// Requests were answered since the start.
	Requests uint64 `json:"requests"`
	// Rate is requests a second in the window.
	Rate float64 `json:"rate"`
	// The latencies are of the window, in seconds; 0 without requests.
	P50 float64 `json:"p50_seconds"`
	P95 float64 `json:"p95_seconds"`
	P99 float64 `json:"p99_seconds"`
	// BytesIn is content, BytesSent is content and heads, since the start.
	BytesIn   uint64 `json:"bytes_in"`
	BytesSent uint64 `json:"bytes_sent"`
}

// History is what every second was like, the oldest first. All lists are equally
// long.
type History struct {
	// End is the time of the last second, in Unix time.
	End int64 `json:"end"`
	// Requests were answered in the second, Errors of them with 5xx.
	Requests []uint64 `json:"requests"`
	Errors   []uint64 `json:"errors"`
	// P50 and P99 are latencies in seconds.
	P50 []float64 `json:"p50_seconds"`
	P99 []float64 `json:"p99_seconds"`
	// InFlight is of the moment.
	InFlight []int `json:"in_flight"`
}

// Request is a request in flight.
type Request struct {
	Method   string `json:"method"`
	Path     string `json:"path"`
	Protocol string `json:"protocol"`
	// ID is the request's id, if it has one.
	ID string `json:"id,omitempty"`
	// Age is the time since its head was complete, in seconds.
	Age float64 `json:"age_seconds"`
	// State is "RUNNING" with a worker, or "WAITING" for one, or for its body.
	State string `json:"state"`
	// Worker is the process that has it, which may be the server's own; 0 if
	// none has. PATH/stack?pid=WORKER shows where it is.
	Worker int    `json:"worker,omitempty"`
	App    string `json:"app,omitempty"`
}

// Setting is a row of the configuration.
type Setting struct {
	Name string `json:"name"`
	// Value is as in a configuration file. Secrets are masked.
	Value string `json:"value"`
	// Origin says where the value comes from.
	Origin string `json:"origin"`
}

// LogRecord is a record of the log.
type LogRecord struct {
	// Cursor grows from record to record.
	Cursor uint64    `json:"cursor"`
	Time   time.Time `json:"time"`
	// Level is "DEBUG", "INFO", "WARNING", "ERROR" or "CRITICAL".
	Level string `json:"level"`
	// Source is "server", "worker" or "access".
	Source string `json:"source"`
	// Worker is the process id of the worker that it is of, or 0.
	Worker  int    `json:"worker,omitempty"`
	Message string `json:"message"`
	// Fields are what it says beside the message.
	Fields map[string]string `json:"fields,omitempty"`
}
