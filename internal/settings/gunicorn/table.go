// Package gunicorn knows gunicorn's settings: one row for each, with its spelling on gunicorn's
// command line and what becomes of it here. It knows names only; whoever reads settings has
// those that rows name.
package gunicorn

import "strings"

// Row is a setting of gunicorn's.
type Row struct {
	// Name is its key in gunicorn.conf.py, and Flags are its options on the command line, with
	// their dashes; empty for none.
	Name, Flags string
	// Takes says what an option takes.
	Takes Takes
	// Fate is what becomes of the setting here, and To names the setting that it becomes.
	Fate Fate
	To   string
	// Why says what to do in place of a setting that nothing comes of, or why that is no loss.
	Why string
	// Arity is the number of arguments of a hook.
	Arity int

	// as turns a value, a string of the command line or what a conf file holds, into values of To.
	// nil: as it is.
	as func(v any) ([]string, error)
}

// Takes is what an option takes.
type Takes uint8

// What options take.
const (
	One      Takes = iota // a value
	Many                  // a value, and may be repeated
	None                  // it is a switch
	Optional              // a value, or none
)

// Fate is what becomes of a setting.
type Fate uint8

// What becomes of settings.
const (
	Becomes    Fate = iota // a setting of the server
	Command                // something else than serving is asked for, or which file to read
	Carried                // workers heed it: they are told
	WorkerHook             // runs in workers
	ServerHook             // runs in the helper interpreter
	Needless               // nothing is lost without it
	Missed                 // it does nothing here, and may be missed: the log says so
	Refused                // a server without it would be another one than was asked for: it does not start
)

const refusedByAll = "leave it out: such requests are refused, since servers read them in different ways"

const heavyTasks = "heavy tasks have no pool of their own: --mount gives an application at a path workers of its own"

// Rows are all settings of gunicorn 27, in the order of its reference.
var Rows = []Row{
	{Name: "config", Flags: "-c --config", Fate: Command},
	{Name: "wsgi_app", To: "app"},

	{Name: "bind", Flags: "-b --bind", Takes: Many, To: "bind", as: addresses},
	{Name: "backlog", Flags: "--backlog", To: "backlog"},

	{Name: "workers", Flags: "-w --workers", To: "workers"},
	{Name: "worker_class", Flags: "-k --worker-class", To: "worker_class", as: workerClass},
	{Name: "threads", Flags: "--threads", To: "threads"},
	{Name: "worker_connections", Flags: "--worker-connections", To: "worker_connections"},
	{Name: "max_requests", Flags: "--max-requests", To: "max_requests"},
	{Name: "max_requests_jitter", Flags: "--max-requests-jitter", To: "max_requests_jitter"},
	{Name: "timeout", Flags: "-t --timeout", To: "timeout"},
	{Name: "graceful_timeout", Flags: "--graceful-timeout", To: "graceful_timeout", as: atLeast("0.001")},
	{Name: "keepalive", Flags: "--keep-alive", To: "keep_alive"},
	{Name: "asgi_loop", Flags: "--asgi-loop", To: "asgi_loop"},
	{Name: "asgi_lifespan", Flags: "--asgi-lifespan", To: "asgi_lifespan"},
	{Name: "asgi_disconnect_grace_period", Flags: "--asgi-disconnect-grace-period", Fate: Needless, Why: "leave it out: a call may go on after its client has left, for --timeout"},
	{Name: "websocket_max_message_size", Flags: "--websocket-max-message-size", To: "websocket_max_message_size"},
	{Name: "http_parser", Flags: "--http-parser", Fate: Needless, Why: "leave it out: there is one parser"},

	{Name: "limit_request_line", Flags: "--limit-request-line", To: "limit_request_line"},
	{Name: "limit_request_fields", Flags: "--limit-request-fields", To: "limit_request_fields"},
	{Name: "limit_request_field_size", Flags: "--limit-request-field_size", To: "limit_request_field_size"},

	{Name: "reload", Flags: "--reload", Takes: None, To: "reload"},
	{Name: "reload_engine", Flags: "--reload-engine", Fate: Needless, Why: "leave it out: the system tells of changes"},
	{Name: "reload_extra_files", Flags: "--reload-extra-file", Takes: Many, To: "reload_extra_files"},
	{Name: "spew", Flags: "--spew", Takes: None, Fate: Missed, Why: "the status page shows where a worker is; a debugger has its own way in"},
	{Name: "check_config", Flags: "--check-config", Takes: None, Fate: Command, To: "check_config"},
	{Name: "print_config", Flags: "--print-config", Takes: None, Fate: Command, To: "print_config"},

	{Name: "preload_app", Flags: "--preload", Takes: None, Fate: Missed, Why: "leave it out: each worker imports the application itself"},
	{Name: "sendfile", Flags: "--no-sendfile", Takes: None, Fate: Needless, Why: "leave it out: files go out as is best for the connection"},
	{Name: "reuse_port", Flags: "--reuse-port", Takes: None, Fate: Needless, Why: "leave it out: the loops of one server share a port, two servers do not"},
	{Name: "chdir", Flags: "--chdir", To: "chdir"},
	{Name: "daemon", Flags: "-D --daemon", Takes: None, To: "daemon"},
	{Name: "raw_env", Flags: "-e --env", Takes: Many, To: "env"},
	{Name: "pidfile", Flags: "-p --pid", To: "pidfile"},
	{Name: "worker_tmp_dir", Flags: "--worker-tmp-dir", Fate: Needless, Why: "leave it out: no worker is watched by a file, and one that gives no sign of life is found without; --tmp-upload-dir is where bodies wait"},
	{Name: "user", Flags: "-u --user", To: "user"},
	{Name: "group", Flags: "-g --group", To: "group"},
	{Name: "umask", Flags: "-m --umask", To: "umask", as: octal},
	{Name: "initgroups", Flags: "--initgroups", Takes: None, To: "initgroups"},
	{Name: "tmp_upload_dir", To: "tmp_upload_dir"},
	{Name: "secure_scheme_headers", To: "secure_scheme_headers"},
	{Name: "forwarded_allow_ips", Flags: "--forwarded-allow-ips", To: "forwarded_allow_ips", as: commas},
	{Name: "pythonpath", Flags: "--pythonpath", To: "pythonpath", as: commas},
	{Name: "paste", Flags: "--paste --paster", Fate: Refused, Why: "name the application itself: module:attribute"},
	{Name: "proxy_protocol", Flags: "--proxy-protocol", Takes: Optional, To: "proxy_protocol"},
	{Name: "proxy_allow_ips", Flags: "--proxy-allow-from", To: "proxy_allow_ips", as: commas},
	{Name: "protocol", Flags: "--protocol", To: "protocol"},
	{Name: "uwsgi_allow_ips", Flags: "--uwsgi-allow-from", To: "uwsgi_allow_ips", as: commas},
	{Name: "raw_paste_global_conf", Flags: "--paste-global", Takes: Many, Fate: Refused, Why: "name the application itself: module:attribute"},
	{Name: "permit_obsolete_folding", Flags: "--permit-obsolete-folding", Takes: None, Fate: Missed, Why: refusedByAll},
	{Name: "strip_header_spaces", Flags: "--strip-header-spaces", Takes: None, Fate: Missed, Why: refusedByAll},
	{Name: "permit_unconventional_http_method", Flags: "--permit-unconventional-http-method", Takes: None, Fate: Missed, Why: refusedByAll},
	{Name: "permit_unconventional_http_version", Flags: "--permit-unconventional-http-version", Takes: None, Fate: Missed, Why: refusedByAll},
	{Name: "casefold_http_method", Flags: "--casefold-http-method", Takes: None, Fate: Missed, Why: refusedByAll},
	{Name: "forwarder_headers", Flags: "--forwarder-headers", To: "forwarder_headers", as: commas},
	{Name: "header_map", Flags: "--header-map", To: "header_map"},
	{Name: "root_path", Flags: "--root-path", To: "root_path"},

	{Name: "accesslog", Flags: "--access-logfile", To: "access_logfile", as: noneIs("none")},
	{Name: "disable_redirect_access_to_syslog", Flags: "--disable-redirect-access-to-syslog", Takes: None, To: "disable_redirect_access_to_syslog"},
	{Name: "access_log_format", Flags: "--access-logformat", To: "access_logformat"},
	{Name: "errorlog", Flags: "--error-logfile --log-file", To: "error_logfile"},
	{Name: "loglevel", Flags: "--log-level", To: "log_level"},
	{Name: "capture_output", Flags: "--capture-output", Takes: None, To: "capture_output"},
	{Name: "logger_class", Flags: "--logger-class", Fate: Missed, Why: "the log is the server's: --log-level, --log-format and --access-logformat say what is in it; logconfig_dict is heeded in workers"},
	{Name: "logconfig", Flags: "--log-config", Fate: Carried, Why: "in gunicorn.conf.py, or by asteri-loop gunicorn, it is heeded in workers; else use --log-level, --logger-level and --log-format"},
	{Name: "logconfig_dict", Fate: Carried, Why: "in gunicorn.conf.py it is heeded in workers; else use --log-level, --logger-level and --log-format"},
	{Name: "logconfig_json", Flags: "--log-config-json", Fate: Carried, Why: "in gunicorn.conf.py, or by asteri-loop gunicorn, it is heeded in workers; else use --log-level, --logger-level and --log-format"},
	{Name: "syslog_addr", Flags: "--log-syslog-to", To: "log_syslog_to"},
	{Name: "syslog", Flags: "--log-syslog", Takes: None, To: "log_syslog"},
	{Name: "syslog_prefix", Flags: "--log-syslog-prefix", To: "log_syslog_prefix"},
	{Name: "syslog_facility", Flags: "--log-syslog-facility", To: "log_syslog_facility"},
	{Name: "enable_stdio_inheritance", Flags: "-R --enable-stdio-inheritance", Takes: None, Fate: Needless, Why: "use --capture-output off"},
	{Name: "statsd_host", Flags: "--statsd-host", To: "statsd_host"},
	{Name: "dogstatsd_tags", Flags: "--dogstatsd-tags", To: "dogstatsd_tags"},
	{Name: "statsd_prefix", Flags: "--statsd-prefix", To: "statsd_prefix", as: withoutDot},
	{Name: "enable_backlog_metric", Flags: "--enable-backlog-metric", Takes: None, Fate: Needless, Why: "leave it out: /metrics and StatsD tell how many requests wait"},

	{Name: "proc_name", Flags: "-n --name", To: "proc_name"},
	{Name: "default_proc_name", Fate: Needless, Why: "leave it out: processes have the names of their programs"},

	{Name: "on_starting", Fate: ServerHook, Arity: 1},
	{Name: "on_reload", Fate: ServerHook, Arity: 1},
	{Name: "when_ready", Fate: ServerHook, Arity: 1},
	{Name: "pre_fork", Fate: ServerHook, Arity: 2},
	{Name: "post_fork", Fate: WorkerHook, Arity: 2},
	{Name: "post_worker_init", Fate: WorkerHook, Arity: 1},
	{Name: "worker_int", Fate: WorkerHook, Arity: 1},
	{Name: "worker_abort", Fate: WorkerHook, Arity: 1},
	{Name: "pre_exec", Fate: ServerHook, Arity: 1},
	{Name: "pre_request", Fate: WorkerHook, Arity: 2},
	{Name: "post_request", Fate: WorkerHook, Arity: 4},
	{Name: "child_exit", Fate: ServerHook, Arity: 2},
	{Name: "worker_exit", Fate: WorkerHook, Arity: 2},
	{Name: "nworkers_changed", Fate: ServerHook, Arity: 3},
	{Name: "on_exit", Fate: ServerHook, Arity: 1},
	{Name: "ssl_context", Fate: Refused, Arity: 2, Why: "TLS is not Python's: use --certfile, --keyfile, --ca-certs, --verify-client, --ssl-version and --ciphers"},

	{Name: "keyfile", Flags: "--keyfile", To: "keyfile"},
	{Name: "certfile", Flags: "--certfile", To: "certfile"},
	{Name: "ssl_version", Flags: "--ssl-version", To: "ssl_version", as: tlsVersion},
	{Name: "cert_reqs", Flags: "--cert-reqs", To: "cert_reqs"},
	{Name: "ca_certs", Flags: "--ca-certs", To: "ca_certs"},
	{Name: "suppress_ragged_eofs", Flags: "--suppress-ragged-eofs", Takes: None, Fate: Needless, Why: "leave it out: the server does handshakes without waiting for them"},
	{Name: "do_handshake_on_connect", Flags: "--do-handshake-on-connect", Takes: None, Fate: Needless, Why: "leave it out: the server does handshakes without waiting for them"},
	{Name: "ciphers", Flags: "--ciphers", To: "ciphers"},

	{Name: "http_protocols", Flags: "--http-protocols", To: "http_protocols", as: commas},
	{Name: "http2_cleartext", Flags: "--http2-cleartext", To: "http2_cleartext", as: cleartext},
	{Name: "http2_max_concurrent_streams", Flags: "--http2-max-concurrent-streams", To: "http2_max_concurrent_streams"},
	{Name: "http2_initial_window_size", Flags: "--http2-initial-window-size", To: "http2_initial_window_size"},
	{Name: "http2_max_frame_size", Flags: "--http2-max-frame-size", To: "http2_max_frame_size"},
	{Name: "http2_max_header_list_size", Flags: "--http2-max-header-list-size", To: "limit_request_head", Why: "use --limit-request-head SIZE"},

	{Name: "dirty_apps", Flags: "--dirty-app", Takes: Many, Fate: Missed, Why: heavyTasks},
	{Name: "dirty_workers", Flags: "--dirty-workers", Fate: Missed, Why: heavyTasks},
	{Name: "dirty_timeout", Flags: "--dirty-timeout", Fate: Needless, Why: heavyTasks},
	{Name: "dirty_threads", Flags: "--dirty-threads", Fate: Needless, Why: heavyTasks},
	{Name: "dirty_graceful_timeout", Flags: "--dirty-graceful-timeout", Fate: Needless, Why: heavyTasks},
	{Name: "on_dirty_starting", Fate: Missed, Arity: 1, Why: heavyTasks},
	{Name: "dirty_post_fork", Fate: Missed, Arity: 2, Why: heavyTasks},
	{Name: "dirty_worker_init", Fate: Missed, Arity: 1, Why: heavyTasks},
	{Name: "dirty_worker_exit", Fate: Missed, Arity: 2, Why: heavyTasks},

	{Name: "control_socket", Flags: "--control-socket", To: "control_socket"},
	{Name: "control_socket_mode", Flags: "--control-socket-mode", Fate: Missed, Why: "leave it out: it is 0600"},
	{Name: "control_socket_disable", Flags: "--no-control-socket", Takes: None, Fate: Needless, Why: "leave it out: there is none without --control-socket"},
}

// Find returns the row of a name in gunicorn.conf.py, or nil.
func Find(name string) *Row {
	for i := range Rows {
		if Rows[i].Name == name {
			return &Rows[i]
		}
	}
	return nil
}

// Names are those of all settings.
func Names() []string {
	names := make([]string, len(Rows))
	for i := range Rows {
		names[i] = Rows[i].Name
	}
	return names
}

// Hooks are the numbers of arguments of all hooks, by name.
func Hooks() map[string]int {
	hooks := make(map[string]int)
	for i := range Rows {
		if Rows[i].Arity > 0 {
			hooks[Rows[i].Name] = Rows[i].Arity
		}
	}
	return hooks
}

// Advice says what to do in place of an option or setting of that name; nothing if there is no such one,
// or nothing to say.
func Advice(name string) string {
	for i := range Rows {
		r := &Rows[i]
		if r.Why != "" && (strings.ReplaceAll(r.Name, "_", "-") == name || r.has("--"+name) || r.has("-"+name)) {
			return r.Why
		}
	}
	return ""
}

// has tells whether the setting has an option of that spelling.
func (r *Row) has(flag string) bool {
	for one := range strings.FieldsSeq(r.Flags) {
		if one == flag {
			return true
		}
	}
	return false
}
