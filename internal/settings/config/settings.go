package config

import (
	"slices"
	"time"

	"github.com/asteri/asteri-loop/websocket"
)

// The groups, in the order of the help text.
const (
	groupGeneral     = "General"
	groupFile        = "Config File"
	groupSocket      = "Server Socket"
	groupWorkers     = "Worker Processes"
	groupMechanics   = "Server Mechanics"
	groupWebSocket   = "WebSocket"
	groupProxies     = "Proxies"
	groupSecurity    = "Security"
	groupSSL         = "SSL"
	groupMounts      = "Several Applications"
	groupFiles       = "Static Files"
	groupCompress    = "Compression"
	groupHTTP        = "HTTP"
	groupLogging     = "Logging"
	groupTracing     = "Tracing"
	groupStatus      = "Status"
	groupMetrics     = "Metrics"
	groupDevelopment = "Development"
	groupDebugging   = "Debugging"
)

// settings are all rows, in the order of their groups.
var settings = slices.Concat(servingSettings, mechanicsSettings, exchangeSettings, securitySettings, contentSettings, loggingSettings, metricsSettings, developmentSettings, statusSettings)

// servingSettings are those of sockets and workers.
var servingSettings = []*setting{
	{
		Name: "help", Short: "h", Flags: []string{"help"}, Group: groupGeneral, Command: true,
		Help: "Show the options that are used most; with a topic or an option behind it what there is to say on that, with all every option. asteri-loop help does the same.",
		at:   func(c *Config) value { return helpValue{&c.Help, &c.HelpTopic} },
	}, {
		Name: "version", Short: "vV", Flags: []string{"version"}, Group: groupGeneral, Command: true,
		Help: "Show the version, as asteri-loop version does.",
		at:   func(c *Config) value { return boolean(&c.Version) },
	}, {
		Name: "config", Short: "c", Flags: []string{"config"}, Group: groupFile, Meta: "FILE",
		Help: "Read settings from this file, TOML or Python. The latter is a gunicorn.conf.py: PATH.py, file:PATH or python:MODULE. Without the option asteri.toml in the working directory is read or, if there is none, gunicorn.conf.py.",
		at:   func(c *Config) value { return text(&c.File, nil) },
	}, {
		Name: "hook_timeout", Flags: []string{"hook-timeout"}, Group: groupFile, Meta: "TIME", Default: "30s", Live: true,
		Help: "The time that a gunicorn.conf.py has to be executed, and then each of its hooks that runs in the helper interpreter. That is ended when the time is over, and started again for the next hook.",
		at:   func(c *Config) value { return duration(&c.hookTimeout, time.Millisecond, longest) },
	}, {
		Name: "app", Aliases: []string{"wsgi_app"}, Group: groupFile, Meta: "APP",
		Help: "The application, for a configuration file; the command line names it without an option: module:attribute, module:factory(), package.module or path/to/file.py[:attribute]. Without an application the server shows a demonstration.",
		Live: true,
		at:   func(c *Config) value { return text(&c.App, nil) },
	},

	{
		Name: "bind", Aliases: []string{"listen"}, Short: "bl", Flags: []string{"bind", "listen"}, Group: groupSocket, Meta: "ADDRESS",
		Variables: []Variable{{Name: "PORT", Prefix: ":"}}, Many: true, Default: "127.0.0.1:8000",
		Help: "Listen here: HOST:PORT, :PORT, [IPV6]:PORT, unix:PATH, fd://N or systemd:NAME. :PORT is on every address. May be repeated. systemd:NAME are the sockets that systemd has passed with that name (FileDescriptorName=). An address at which it has passed one is that one; without --bind all that it has passed are served.",
		at:   func(c *Config) value { return list(&c.Server.Listen.Addresses, address) },
	}, {
		Name: "backlog", Flags: []string{"backlog"}, Group: groupSocket, Meta: "INT", Default: "2048",
		Help: "The number of connections that the system keeps waiting to be accepted.",
		at:   func(c *Config) value { return number(&c.Server.Listen.Backlog, 1, 1<<16-1) },
	}, {
		Name: "umask", Short: "m", Flags: []string{"umask"}, Group: groupSocket, Meta: "OCTAL", Default: "117",
		Help: "Permissions that a Unix socket does not get. 117 leaves 0660, so that its user and group may connect; 0 lets everybody. If it is given, it is the umask of the server and its workers too, for all files that they make.",
		at:   func(c *Config) value { return maskValue{&c.Server.Listen.Mode} },
	}, {
		Name: "loops", Flags: []string{"loops"}, Group: groupSocket, Meta: "INT", Default: "0",
		Help: "The number of event loops. 0 is one for each processor, of which a Python application uses as many as its load needs.",
		at:   func(c *Config) value { return number(&c.Server.Engine.Loops, 0, 1024) },
	}, {
		Name: "scheduling", Flags: []string{"scheduling"}, Group: groupSocket, Meta: "auto|normal|batch", Default: "auto",
		Help: "How the server's own threads share processors with workers and other processes. As batch work (Linux) they wait for their turn in place of interrupting: much less work a request where processors are short, later answers to single ones. auto is batch while there is much to do for many connections.",
		at:   func(c *Config) value { return choice(&c.Server.Scheduling, nil, "auto", "normal", "batch") },
	}, {
		Name: "max_connections", Flags: []string{"max-connections"}, Group: groupSocket, Meta: "INT", Default: "0",
		Help: "The number of client connections beyond which new ones are closed. 0 is no limit of the server's own.",
		at:   func(c *Config) value { return number(&c.Server.Engine.MaxConnections, 0, unbounded) },
	}, {
		Name: "max_connections_per_address", Flags: []string{"max-connections-per-address"}, Group: groupSocket, Meta: "INT", Default: "0",
		Help: "The same for each client, which is an IPv4 address or the /64 network of an IPv6 one. Proxies (--forwarded-allow-ips) and who is in --limit-exempt may have more; a PROXY header names the client that counts. 0 is no limit.",
		at:   func(c *Config) value { return number(&c.Server.Engine.MaxConnectionsPerAddress, 0, unbounded) },
	}, {
		Name: "write_timeout", Flags: []string{"write-timeout"}, Group: groupSocket, Meta: "TIME", Default: "30s",
		Help: "Disconnect a client that takes no byte of its response for this time.",
		at:   func(c *Config) value { return duration(&c.Server.Engine.WriteTimeout, time.Second, longest) },
	}, {
		Name: "buffer_budget", Flags: []string{"buffer-budget"}, Group: groupSocket, Meta: "SIZE", Default: "1GiB",
		Help: "Memory for bytes that wait in buffers, of all connections together. Beyond it the server stops reading until there is room.",
		at:   func(c *Config) value { return size(&c.Server.Engine.BufferBudget, 1<<20, largest) },
	},

	{
		Name: "workers", Short: "w", Flags: []string{"workers"}, Group: groupWorkers, Meta: "N|MODEL[:N]",
		Variables: []Variable{{Name: "WEB_CONCURRENCY"}}, Default: "1", Live: true,
		Help:   "The number of worker processes, or a worker model (see -k), or both: 4, gtornado, gtornado:4. auto is one for each processor that the server may use, of which the quota of a container and affinity leave fewer. 2..8 (also 2..auto) goes by the load: one more when requests wait or all are at work, one fewer when half would do for 30 seconds.",
		Mounts: ofApps,
		at:     func(c *Config) value { return workersValue{c} },
		expand: expandWorkers,
	}, {
		Name: "worker_class", Short: "k", Flags: []string{"worker-class"}, Group: groupWorkers, Meta: "MODEL", Default: "auto", Live: true,
		Help:   "How workers run the application: sync, gthread, gevent, asgi, tornado or gtornado. auto chooses by the application.",
		Mounts: ofApps,
		at:     func(c *Config) value { return modelValue{&c.Python.Model} },
	}, {
		Name: "interface", Flags: []string{"interface"}, Group: groupWorkers, Meta: "NAME", Default: "auto",
		Help: "What the Python application speaks: wsgi, asgi, or auto to look at it. For callables that take (*args, **kwargs), which do not say.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return choice(&c.Python.Interface, nil, "auto", "wsgi", "asgi") },
	}, {
		Name: "threads", Flags: []string{"threads"}, Group: groupWorkers, Meta: "INT", Default: "1",
		Help: "The number of threads of each gthread worker. More than 1 makes sync gthread.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return number(&c.Python.Threads, 1, 4096) },
	}, {
		Name: "worker_connections", Flags: []string{"worker-connections"}, Group: groupWorkers, Meta: "INT", Default: "1000",
		Help: "The number of requests that a gevent, asgi, tornado or gtornado worker runs at once and, apart from them, of WebSockets that it has open; see --websocket-connections.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return number(&c.Python.WorkerConnections, 1, 1<<20) },
	}, {
		Name: "max_requests", Flags: []string{"max-requests"}, Group: groupWorkers, Meta: "INT", Default: "0",
		Help: "The number of requests that a worker process serves until another takes its place, against applications that leak memory. It serves on until the other is ready. 0 is no limit.",
		Live: true,
		at:   func(c *Config) value { return number(&c.Python.MaxRequests, 0, 1<<30) },
	}, {
		Name: "max_requests_jitter", Flags: []string{"max-requests-jitter"}, Group: groupWorkers, Meta: "INT", Default: "0",
		Help: "Up to how many more requests than --max-requests, by chance, a worker serves, so that not all are replaced at the same time.",
		Live: true,
		at:   func(c *Config) value { return number(&c.Python.MaxRequestsJitter, 0, 1<<30) },
	}, {
		Name: "max_worker_lifetime", Flags: []string{"max-worker-lifetime"}, Group: groupWorkers, Meta: "TIME", Default: "0",
		Help: "The time for which a worker process serves until another takes its place, and up to a tenth more, by chance. It serves on until the other is ready. 0 is for ever.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return duration(&c.Python.MaxLifetime, 0, longest) },
	}, {
		Name: "max_worker_rss", Flags: []string{"max-worker-rss"}, Group: groupWorkers, Meta: "SIZE", Default: "0",
		Help: "The memory beyond which another worker takes the place of one: the greatest first, one at a time, and each serves on until its successor is ready. It is looked at every five seconds; pages that several processes share count by their part (PSS). 0 is no limit. On Linux only.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return measured{size(&c.Python.MaxRSS, 0, largest), &c.Python.MaxRSS} },
	}, {
		Name: "worker_nice", Flags: []string{"worker-nice"}, Group: groupWorkers, Meta: "INT", Default: "0",
		Help: "The niceness of workers, from -20 to 19: with 5, say, the event loops go first when processors are short. Less than the server's own only root may have. 0 leaves the server's.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return number(&c.Python.Nice, -20, 19) },
	}, {
		Name: "worker_rlimit", Flags: []string{"worker-rlimit"}, Group: groupWorkers, Meta: "NAME=LIMIT", Many: true,
		Help: "A limit of the system's on each worker: NOFILE=4096, AS=2GiB, CORE=0, or SOFT:HARD, each a number, a size or unlimited. Names are those of getrlimit without RLIMIT_: AS, CORE, CPU, DATA, FSIZE, MEMLOCK, NOFILE, NPROC, RSS, STACK. May be repeated.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return rlimitsValue{&c.Python.Rlimits} },
	}, {
		Name: "timeout", Short: "t", Flags: []string{"timeout"}, Group: groupWorkers, Meta: "TIME", Default: "30s",
		Help: "The time that the application has for a request. When it has passed the client gets 504, and RequestTimeout is raised in the application; a worker in which that does not end the request is replaced. A server behind a URL mount may stand still for so long, at any point of a request. 0 is no limit.",
		Live: true, Mounts: ofAnyMount,
		at: func(c *Config) value { return durationOrNone(&c.Python.Timeout) },
	}, {
		Name: "graceful_timeout", Flags: []string{"graceful-timeout"}, Group: groupWorkers, Meta: "TIME", Default: "30s",
		Help: "The time that running requests have to finish when the server stops or reloads.",
		at:   func(c *Config) value { return duration(&c.Server.Engine.GracefulTimeout, time.Millisecond, longest) },
	}, {
		Name: "upgrade_timeout", Flags: []string{"upgrade-timeout"}, Group: groupWorkers, Meta: "TIME", Default: "1m", Live: true,
		Help: "The time that a new process has, after USR2 or asteri-loop ctl upgrade, until its workers are ready and it could serve. If it is not, it is ended, and the old one serves on.",
		at:   func(c *Config) value { return duration(&c.UpgradeTimeout, time.Second, longest) },
	}, {
		Name: "drain_delay", Flags: []string{"drain-delay"}, Group: groupWorkers, Meta: "TIME", Default: "0",
		Help: "The time for which a server that gets TERM serves on, new connections too, while /readyz says 503: a load balancer takes it out before connections are refused. --graceful-timeout begins after it. A second signal ends it; INT and QUIT do without.",
		at:   func(c *Config) value { return duration(&c.Server.DrainDelay, 0, longest) },
	}, {
		Name: "boot_timeout", Flags: []string{"boot-timeout"}, Group: groupWorkers, Meta: "TIME", Default: "60s",
		Help: "The time that a worker has to import the application and become ready, the lifespan's start-up included.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return duration(&c.Python.BootTimeout, time.Millisecond, longest) },
	}, {
		Name: "keep_alive", Aliases: []string{"keepalive"}, Flags: []string{"keep-alive"}, Group: groupWorkers, Meta: "TIME", Default: "2s",
		Help: "The time that an idle connection waits for its next request. 0: connections are closed once what was asked for is answered.",
		at:   func(c *Config) value { return keepAliveValue{&c.Server} },
	}, {
		Name: "queue_size", Flags: []string{"queue-size"}, Group: groupWorkers, Meta: "INT", Default: "1024",
		Help:   "The number of requests that may wait for a worker, or for their turn at a server behind a URL mount. Connections take turns: one with many requests over HTTP/2 or HTTP/3 waits for others as they wait for it, and gives up its last one when there is no room. Those beyond get 503.",
		Mounts: ofAnyMount,
		at:     func(c *Config) value { return number(&c.Python.QueueSize, 1, 1<<20) },
	}, {
		Name: "retry", Flags: []string{"retry"}, Group: groupWorkers, Meta: "WHICH", Default: "idempotent",
		Help: "What becomes of requests whose worker died before it answered. idempotent: those with GET, HEAD, PUT, DELETE, OPTIONS or TRACE are given to another worker, once, unless they have killed the first one; the others get 502. off: all get 502, for applications in which such a request must not be run twice.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value {
			return switched(&c.Python.NoRetry, map[string]string{"on": "idempotent", "true": "idempotent", "false": "off"}, "idempotent", "off")
		},
	}, {
		Name: "response_spool_max", Flags: []string{"response-spool-max"}, Group: groupWorkers, Meta: "SIZE", Default: "1GiB",
		Help: "How much of one response may wait in a temporary file for a slow client, so that the worker is free.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return sizeOrNone(&c.Python.ResponseSpoolMax, 0, largest) },
	}, {
		Name: "asgi_loop", Flags: []string{"asgi-loop"}, Group: groupWorkers, Meta: "NAME", Default: "auto",
		Help: "The event loop of asgi workers: asyncio, uvloop, or auto for uvloop where it is installed.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return choice(&c.Python.Loop, nil, "auto", "asyncio", "uvloop") },
	}, {
		Name: "asgi_lifespan", Aliases: []string{"lifespan"}, Flags: []string{"asgi-lifespan", "lifespan"}, Group: groupWorkers, Meta: "MODE", Default: "auto",
		Help: "Whether ASGI applications get lifespan events: on, off, or auto for those that take them.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return choice(&c.Python.Lifespan, nil, "auto", "on", "off") },
	},
}

// exchangeSettings are those of WebSockets and proxies.
var exchangeSettings = []*setting{
	{
		Name: "websocket_max_message_size", Aliases: []string{"ws_max_size"}, Flags: []string{"websocket-max-message-size", "ws-max-size"}, Group: groupWebSocket, Meta: "SIZE", Default: "16MiB",
		Help: "The largest message that a WebSocket takes, decompressed; one beyond it closes the WebSocket with 1009.",
		at:   func(c *Config) value { return size(&c.Python.WebSocket.MaxMessageSize, 1, 1<<30) },
	}, {
		Name: "ws_ping_interval", Flags: []string{"ws-ping-interval"}, Group: groupWebSocket, Meta: "TIME", Default: "20s",
		Help: "Send a ping on a WebSocket whose client has been silent for this time. 0 is never.",
		at:   func(c *Config) value { return durationOrNone(&c.Python.WebSocket.PingInterval) },
	}, {
		Name: "ws_ping_timeout", Flags: []string{"ws-ping-timeout"}, Group: groupWebSocket, Meta: "TIME", Default: "20s",
		Help: "Close a WebSocket whose client is silent for this time after a ping. 0 is never, and then no pings are sent.",
		at:   func(c *Config) value { return durationOrNone(&c.Python.WebSocket.PingTimeout) },
	}, {
		Name: "websocket_compression", Flags: []string{"websocket-compression"}, Group: groupWebSocket, Meta: "MODE", Default: "on",
		Help: "Compress WebSocket messages for clients that can: on (each by itself, so that an idle WebSocket needs no memory for it), takeover (with reference to earlier ones, which makes them smaller and takes up to 40 KiB for each WebSocket) or off.",
		at: func(c *Config) value {
			return namedValue[websocket.Compression]{
				&c.Python.WebSocket.Compression, nil, []string{"on", "takeover", "off"},
				[]websocket.Compression{websocket.CompressionOn, websocket.CompressionTakeover, websocket.CompressionOff},
			}
		},
	}, {
		Name: "websocket_connections", Flags: []string{"websocket-connections"}, Group: groupWebSocket, Meta: "INT", Default: "0",
		Help: "The number of WebSockets that a worker with an ASGI or Tornado application has open at once; when all have as many, an opening handshake is answered 503. 0 is as many as --worker-connections. With WSGI each is a request that runs, and counts as one.",
		Live: true, Mounts: ofApps,
		at: func(c *Config) value { return number(&c.Python.WebSocketConnections, 0, 1<<20) },
	}, {
		Name: "websocket_linger", Flags: []string{"websocket-linger"}, Group: groupWebSocket, Meta: "TIME", Default: "0",
		Help: "How long open WebSockets live on when the server stops or their workers are replaced. They are closed with 1012 then, or with 1001 when --graceful-timeout is nearly over.",
		at:   func(c *Config) value { return duration(&c.Python.WebSocket.Linger, 0, longest) },
	},

	{
		Name: "forwarded_allow_ips", Flags: []string{"forwarded-allow-ips"}, Group: groupProxies, Meta: "NETWORK,...",
		Variables: []Variable{{Name: "FORWARDED_ALLOW_IPS"}}, Many: true, Commas: true, Default: loopbackAddresses,
		Help: "The proxies that may say in the request who the client is and whether it used https: addresses, networks (10.0.0.0/8), unix for peers at a Unix socket, or * for everybody.",
		at:   func(c *Config) value { return list(&c.Server.Proxies.Trusted, proxyPeer) },
	}, {
		Name: "forwarded_fields", Flags: []string{"forwarded-fields"}, Group: groupProxies, Meta: "NAME", Default: "auto",
		Help: "The fields by which they do: x-forwarded for X-Forwarded-For and its kin, forwarded for RFC 7239, or auto for the former if they are there and else the latter; a request in which both are there and disagree is then refused.",
		at: func(c *Config) value {
			return choice(&c.Server.Proxies.Fields, nil, "auto", "x-forwarded", "forwarded")
		},
	}, {
		Name: "forwarded_host", Flags: []string{"forwarded-host"}, Group: groupProxies, Meta: "on|off", Default: "off",
		Help: "Whether they may also say for which host the request is: X-Forwarded-Host and X-Forwarded-Port, or host in Forwarded.",
		at:   func(c *Config) value { return boolean(&c.Server.Proxies.Host) },
	}, {
		Name: "secure_scheme_headers", Group: groupProxies, Meta: "NAME=VALUE,...", Many: true, Commas: true,
		Default: "X-FORWARDED-PROTOCOL=ssl,X-FORWARDED-PROTO=https,X-FORWARDED-SSL=on",
		Help:    "The fields by which they say that the client used https, with the value that says so. Other values say http; a request whose fields contradict each other is answered 400.",
		at:      func(c *Config) value { return secureSchemes(&c.Server.Proxies.SecureSchemes) },
	}, {
		Name: "forwarder_headers", Flags: []string{"forwarder-headers"}, Group: groupProxies, Meta: "NAME,...", Many: true, Commas: true, Default: "SCRIPT_NAME,PATH_INFO",
		Help: "Field names with an underscore that they may send: SCRIPT_NAME is where the application is mounted, REMOTE_USER whom they have authenticated.",
		at:   func(c *Config) value { return list(&c.Server.Proxies.Forwarders, underscored) },
	}, {
		Name: "header_map", Flags: []string{"header-map"}, Group: groupProxies, Meta: "MODE", Default: "drop",
		Help: "What becomes of other field names with an underscore, which WSGI cannot tell from those with a hyphen: drop (WSGI applications and servers behind URL mounts do not see them), refuse (400), or dangerous (they do, applications as the one with hyphens).",
		at: func(c *Config) value {
			return choice(&c.Server.Proxies.Underscores, nil, "drop", "refuse", "dangerous")
		},
	}, {
		Name: "proxy_protocol", Flags: []string{"proxy-protocol"}, Group: groupProxies, Meta: "MODE", Default: "off",
		Help: "Whether connections from proxies begin with a PROXY header, which names the client: off, v1, v2, or auto for both.",
		at: func(c *Config) value {
			return choice(&c.Server.Proxies.ProxyProtocol, map[string]string{"on": "auto", "true": "auto", "false": "off"}, "off", "v1", "v2", "auto")
		},
	}, {
		Name: "proxy_allow_ips", Aliases: []string{"proxy_allow_from"}, Flags: []string{"proxy-allow-from"}, Group: groupProxies, Meta: "NETWORK,...", Many: true, Commas: true,
		Default: loopbackAddresses,
		Help:    "The proxies that send it, as in --forwarded-allow-ips. They must; from others a header is refused.",
		at:      func(c *Config) value { return list(&c.Server.Proxies.ProxyProtocolFrom, proxyPeer) },
	}, {
		Name: "protocol", Flags: []string{"protocol"}, Group: groupProxies, Meta: "NAME", Default: "http",
		Help: "What proxies speak: http, or uwsgi for nginx's uwsgi_pass too; HTTP stays on the same ports.",
		at:   func(c *Config) value { return switched(&c.Server.Proxies.Uwsgi, nil, "http", "uwsgi") },
	}, {
		Name: "uwsgi_allow_ips", Aliases: []string{"uwsgi_allow_from"}, Flags: []string{"uwsgi-allow-from"}, Group: groupProxies, Meta: "NETWORK,...", Many: true, Commas: true,
		Default: loopbackAddresses,
		Help:    "The proxies that may speak uwsgi, as in --forwarded-allow-ips. They are believed in all they say: the client's address, REMOTE_USER, SCRIPT_NAME.",
		at:      func(c *Config) value { return list(&c.Server.Proxies.UwsgiFrom, proxyPeer) },
	},
}
