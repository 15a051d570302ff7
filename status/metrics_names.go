package status

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// MetricInfo describes one of the server's own metrics.
type MetricInfo struct {
	Name, Type, Help string
	Labels           []string
}

// The types of metrics.
const (
	typeCounter   = "counter"
	typeGauge     = "gauge"
	typeHistogram = "histogram"
	typeSummary   = "summary"
)

// Row is the metric's row in the documentation.
func (m MetricInfo) Row() string {
	labels := strings.Join(m.Labels, "`, `")
	if labels != "" {
		labels = "`" + labels + "`"
	}
	return "| `" + m.Name + "` | " + m.Type + " | " + labels + " | " + m.Help + " |"
}

// metric is a row of the table of metrics.
type metric struct {
	MetricInfo
	desc *prometheus.Desc
}

// Metrics returns the server's own metrics, in the order of the documentation.
func Metrics() []MetricInfo {
	list := make([]MetricInfo, len(table))
	for i, m := range table {
		list[i] = m.MetricInfo
	}
	return list
}

// table is filled by the declarations below.
var table []*metric

func declare(kind, name, help string, labels ...string) *metric {
	m := &metric{
		MetricInfo{Name: name, Type: kind, Help: help, Labels: labels},
		prometheus.NewDesc(name, help, labels, nil),
	}
	table = append(table, m)
	return m
}

func counter(name, help string, labels ...string) *metric {
	return declare(typeCounter, name, help, labels...)
}

func gauge(name, help string, labels ...string) *metric {
	return declare(typeGauge, name, help, labels...)
}

func histogram(name, help string, labels ...string) *metric {
	return declare(typeHistogram, name, help, labels...)
}

// kinds are the labels by which requests are told apart.
var kinds = []string{"app", "model", "protocol", "method", "status_class"}

// What follows are the rows, each under the name by which it is collected.

// Requests.
var (
	mRequests      = counter("asteri_requests_total", "Requests that have ended, answered or not.", kinds...)
	mDuration      = histogram("asteri_request_duration_seconds", "Time from the complete request head to the end of the response.", kinds...)
	mQueueTime     = histogram("asteri_request_queue_seconds", "Time that requests waited for a worker.", kinds...)
	mWorkTime      = histogram("asteri_request_application_seconds", "Time that workers had requests, to the end of the response.", kinds...)
	mBodyIn        = counter("asteri_request_body_bytes_total", "Content received.", "app", "model", "protocol")
	mBodyOut       = counter("asteri_response_body_bytes_total", "Content of responses.", "app", "model", "protocol")
	mSent          = counter("asteri_sent_bytes_total", "Content and heads of responses.", "app", "model", "protocol")
	mInFlight      = gauge("asteri_requests_in_flight", "Requests that applications have, or that wait for them.")
	mUnclean       = counter("asteri_requests_unclean_total", "Requests that did not end cleanly, by reason.", "reason")
	mRefused       = counter("asteri_requests_refused_total", "Requests that the server answered itself with an error.", "status", "reason")
	mMalformed     = counter("asteri_requests_malformed_total", "Requests that could not be parsed, or broke a limit of their protocol.", "status", "reason")
	mRequestErrors = counter("asteri_http3_errors_total", "HTTP/3 streams and connections ended for what the client did, by error code.", "code")
)

// Connections.
var (
	mConnections  = gauge("asteri_connections", "Open client connections by protocol; \"new\" have not shown yet what they speak.", "protocol", "state")
	mAccepted     = counter("asteri_connections_accepted_total", "Connections accepted.", "loop")
	mHTTP3Opened  = counter("asteri_http3_connections_accepted_total", "HTTP/3 connections accepted.")
	mTurnedAway   = counter("asteri_connections_refused_total", "Connections closed before a protocol had them, by reason.", "reason")
	mHandshakes   = counter("asteri_tls_handshakes_total", "Completed TLS handshakes of TCP connections.", "version", "resumed")
	mHandshakeBad = counter("asteri_tls_handshakes_failed_total", "TLS handshakes of TCP connections that failed.")
	mCertificate  = gauge("asteri_certificate_expiry_time_seconds", "When a certificate, or one of its chain, expires, in Unix time.", "certificate")
	mHandshaking  = gauge("asteri_tls_handshakes_in_progress", "TLS handshakes that are not finished.")
	mLoopConns    = gauge("asteri_loop_connections", "Open connections of a loop.", "loop")
	mLoopActive   = gauge("asteri_loop_active", "1 if the loop gets new connections.", "loop")
	mLoopLag      = gauge("asteri_loop_lag_seconds", "How long the loop took to come to something new when it was last asked, or has taken so far.", "loop")
	mLoopTicks    = counter("asteri_loop_ticks_total", "Rounds of a loop.", "loop")
	mLoopPanics   = counter("asteri_loop_panics_total", "Panics of sessions on a loop.", "loop")
	mShed         = counter("asteri_connections_shed_total", "Connections given up: for lack of memory, or idle ones to make room.", "reason")
	mOverload     = gauge("asteri_overload_level", "How much of the buffer memory is used: 0 calm, 1 tight, 2 over (connections are given up).")
	mBuffered     = gauge("asteri_buffer_bytes", "Memory that is held for clients.")
	mBufferBudget = gauge("asteri_buffer_budget_bytes", "Memory that buffers of connections may use.")
)

// WebSockets.
var (
	mSocketsOpen     = gauge("asteri_websockets", "Open WebSockets.")
	mSocketsOpened   = counter("asteri_websockets_opened_total", "WebSockets opened.")
	mSocketsRefused  = counter("asteri_websocket_handshakes_refused_total", "Opening handshakes of WebSockets refused.")
	mSocketMessages  = counter("asteri_websocket_messages_total", "Messages of WebSockets.", "direction")
	mSocketsFailed   = counter("asteri_websocket_failures_total", "WebSockets closed for what the client sent, by reason.", "reason")
	mSocketsDeserted = counter("asteri_websockets_deserted_total", "WebSockets whose client gave no sign of life: to a ping, to data, to a close.", "state")
)

// Workers.
var (
	mWorkersByState = gauge("asteri_workers", "Workers by state.", "app", "model", "state")
	mWorkersStarted = counter("asteri_workers_started_total", "Worker processes started.", "app")
	mWorkersExited  = counter("asteri_workers_exited_total", "Worker processes that ended, by cause.", "app", "cause")
	mQueueLength    = gauge("asteri_queue_length", "Requests that wait for a worker.", "app")
	mWorkersWanted  = gauge("asteri_workers_wanted", "Workers that there are to be.", "app")
	mWorkersLeast   = gauge("asteri_workers_min", "Workers that there are to be at the least, if their number goes by the load.", "app")
	mWorkersMost    = gauge("asteri_workers_max", "Workers that there are to be at the most, if their number goes by the load.", "app")
	mWorkersLoad    = gauge("asteri_workers_load", "How many workers are at work, of late, in parts of one, if their number goes by the load.", "app")
	mQueueCapacity  = gauge("asteri_queue_capacity", "Requests that may wait for a worker.", "app")
	mQueueRefused   = counter("asteri_queue_refused_total", "Requests refused because the queue was full, and WebSockets because workers had as many as they may.", "app")
	mQueueExpired   = counter("asteri_queue_expired_total", "Requests refused because they waited for too long.", "app")
	mTimeouts       = counter("asteri_request_timeouts_total", "Requests that an application did not answer in time.", "app")
	mRetries        = counter("asteri_request_retries_total", "Requests given to a second worker after the first had died.", "app")
	mMetricsDropped = counter("asteri_application_metrics_dropped_total", "Updates of an application's own metrics that were dropped, by reason.", "app", "reason")
	mWorkerRequests = counter("asteri_worker_requests_total", "Requests that a worker has finished.", "app", "pid")
	mWorkerFrames   = counter("asteri_worker_request_frames_total", "Batches in which a worker got its requests.", "app", "pid")
	mWorkerInFlight = gauge("asteri_worker_requests_in_flight", "Requests that a worker has.", "app", "pid")
	mWorkerAge      = gauge("asteri_worker_age_seconds", "Time since the start of a worker.", "app", "pid")
	mWorkerRSS      = gauge("asteri_worker_resident_memory_bytes", "Memory of a worker, shared pages in full (RSS).", "app", "pid")
	mWorkerPSS      = gauge("asteri_worker_proportional_memory_bytes", "Memory of a worker, shared pages by their part (PSS).", "app", "pid")
	mWorkerCPU      = counter("asteri_worker_cpu_seconds_total", "Processor time of a worker.", "app", "pid")
)

// The server.
var (
	mBuildInfo  = gauge("asteri_build_info", "Always 1.", "version", "goversion")
	mReady      = gauge("asteri_ready", "1 if the server should get traffic.")
	mStarted    = gauge("asteri_start_time_seconds", "When the server was started, in Unix time.")
	mServerRSS  = gauge("asteri_server_resident_memory_bytes", "Memory of the server's own process (RSS).")
	mServerPSS  = gauge("asteri_server_proportional_memory_bytes", "The same, shared pages by their part (PSS).")
	mServerCPU  = counter("asteri_server_cpu_seconds_total", "Processor time of the server's own process.")
	mLogLost    = counter("asteri_log_lines_lost_total", "Lines that could not be written, by log.", "log")
	mStatsdLost = counter("asteri_statsd_datagrams_lost_total", "Datagrams to the StatsD server that could not be sent.")
)

// Names that Asteri 3 has.
var (
	mOldWorkers     = gauge("asteri_workers_count", "Number of active workers.")
	mOldConnections = gauge("asteri_active_connections", "Number of active connections.")
	mOldCPU         = gauge("asteri_cpu_usage_percent", "Processor usage of the machine.")
	mOldMemory      = gauge("asteri_memory_usage_percent", "Memory usage of the machine.")
	mOldUptime      = gauge("asteri_uptime_seconds", "Time since the start of the server.")
	mOtelActive     = gauge("http_server_active_requests", "Number of active HTTP requests.")
	mOtelDuration   = declare(typeSummary, "http_server_duration_milliseconds", "Duration of completed requests.", "http_method", "http_status_code", "http_flavor")
)
