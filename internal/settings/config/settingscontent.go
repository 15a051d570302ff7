package config

// contentSettings are those of what is served beside one application, and how HTTP carries it.
var contentSettings = []*setting{
	{
		Name: "mount", Aliases: []string{"mounts"}, Flags: []string{"mount"}, Group: groupMounts, Meta: "[HOST]/PATH=APP[,SETTING=VALUE...]", Many: true, Live: true,
		Help: "Serve another application at a path, a host (api.example.com/, *.example.com/) or both, with workers of its own: /api=shop.asgi:app,worker-class=asgi,workers=2. A URL (http://, https://, unix:) sends the requests to another server, with their path unless the URL has one. May be repeated; the longest path of the best fitting host decides.",
		at:   func(c *Config) value { return list(&c.mountSpecs, nil) },
	}, {
		Name: "strict_start", Flags: []string{"strict-start"}, Group: groupMounts,
		Help: "End the server if one of several applications cannot be started. Without it that one answers 503 and is tried again, after a second and less and less often, and on a reload, while the others serve. If none can be started, or there is one only, the server ends in any case.",
		at:   func(c *Config) value { return boolean(&c.Server.StrictStart) },
	}, {
		Name: "upstream_max_conns", Flags: []string{"upstream-max-conns"}, Group: groupMounts, Meta: "INT", Default: "256",
		Help: "The number of requests and WebSockets that a server behind a URL mount gets at once, and so of connections to it. Up to --queue-size more requests wait, each for up to --timeout, and others are answered 503.",
		Live: true, Mounts: ofServers,
		at: func(c *Config) value { return number(&c.Upstream.MaxConns, 1, 1<<20) },
	}, {
		Name: "dirty_apps", Flags: []string{"dirty-apps"}, Group: groupMounts, Meta: "ROUTE=APP,...", Many: true, Commas: true,
		Help:   "Asteri's spelling of --mount, for applications that expect the whole path: HOST=APP, /PATH=APP or default=APP.",
		expand: expandDirtyApps,
	},

	{
		Name: "static", Flags: []string{"static"}, Group: groupFiles, Meta: "/PREFIX=DIR", Many: true,
		Help: "Serve the files of a directory below a path, without the application: /static=assets. May be repeated; the longest prefix decides. What is no file gets 404, but below / alone goes to the application.",
		at:   func(c *Config) value { return folders(&c.Server.Static.Folders) },
	}, {
		Name: "static_max_age", Flags: []string{"static-max-age"}, Group: groupFiles, Meta: "TIME", Default: "0",
		Help: "The time that browsers and caches may use a static file without asking again. 0 leaves it to them.",
		at:   func(c *Config) value { return duration(&c.Server.Static.MaxAge, 0, longest) },
	}, {
		Name: "static_fallthrough", Flags: []string{"static-fallthrough"}, Group: groupFiles, Meta: "on|off", Default: "off",
		Help: "Whether a request below a static prefix for what is no file goes to the application.",
		at:   func(c *Config) value { return boolean(&c.Server.Static.Fallthrough) },
	}, {
		Name: "static_follow_symlinks", Flags: []string{"static-follow-symlinks"}, Group: groupFiles, Meta: "on|off", Default: "off",
		Help: "Whether symbolic links may lead out of a static directory.",
		at:   func(c *Config) value { return boolean(&c.Server.Static.FollowSymlinks) },
	}, {
		Name: "static_cache_size", Flags: []string{"static-cache-size"}, Group: groupFiles, Meta: "SIZE", Default: "32MiB",
		Help: "Memory for static files, whose small ones are kept there.",
		at:   func(c *Config) value { return size(&c.Server.Static.CacheSize, 64<<10, largest) },
	},

	{
		Name: "http_protocols", Flags: []string{"http-protocols"}, Group: groupHTTP, Meta: "LIST", Many: true, Commas: true,
		Help: "The versions of HTTP that the ports speak: h1, h2, h3. Without it: h1,h2, and h3 too with --certfile. A client that knows both gets HTTP/2 over TLS; HTTP/3 is spoken on the UDP port of the same number, and clients are told of it by Alt-Svc if there is a --certfile.",
		at:   func(c *Config) value { return list(&c.Server.HTTP.Versions, httpVersion) },
	}, {
		Name: "http2_cleartext", Flags: []string{"http2-cleartext"}, Group: groupHTTP, Meta: "WAY", Default: "prior-knowledge",
		Help: "How HTTP/2 begins without TLS: prior-knowledge, for clients that know in advance; or off. A request to upgrade to h2c, which RFC 9113 has done away with, is answered over HTTP/1.1.",
		at: func(c *Config) value {
			return switched(&c.Server.HTTP.H2.NoCleartext, map[string]string{"on": "prior-knowledge", "true": "prior-knowledge", "false": "off"}, "prior-knowledge", "off")
		},
	}, {
		Name: "http2_max_concurrent_streams", Flags: []string{"http2-max-concurrent-streams"}, Group: groupHTTP, Meta: "INT", Default: "100",
		Help: "The number of requests that a client may have under way at a time on one HTTP/2 connection.",
		at:   func(c *Config) value { return number(&c.Server.HTTP.H2.MaxConcurrentStreams, 1, 1<<16) },
	}, {
		Name: "http2_initial_window_size", Flags: []string{"http2-initial-window-size"}, Group: groupHTTP, Meta: "SIZE", Default: "65535",
		Help: "The bytes of a request body that a client may send on an HTTP/2 stream before the application has taken some, at first. While client and application are faster than that allows it is doubled, up to --http2-connection-window-size.",
		at:   func(c *Config) value { return size(&c.Server.HTTP.H2.InitialWindow, 65535, 16<<20) },
	}, {
		Name: "http2_connection_window_size", Flags: []string{"http2-connection-window-size"}, Group: groupHTTP, Meta: "SIZE", Default: "1MiB",
		Help: "The bytes of request bodies that may be on their way on one HTTP/2 connection, over all its streams; also how far the windows of its streams grow together. It bounds uploads to so much in a round trip.",
		at:   func(c *Config) value { return size(&c.Server.HTTP.H2.ConnectionWindow, 65535, 256<<20) },
	}, {
		Name: "http2_max_frame_size", Flags: []string{"http2-max-frame-size"}, Group: groupHTTP, Meta: "SIZE", Default: "16KiB",
		Help: "The largest HTTP/2 frame that a client may send. The limit of request heads is limit_request_head.",
		at:   func(c *Config) value { return size(&c.Server.HTTP.H2.MaxFrameSize, 16<<10, 1<<24-1) },
	}, {
		Name: "http3_initial_window_size", Flags: []string{"http3-initial-window-size"}, Group: groupHTTP, Meta: "SIZE", Default: "64KiB",
		Help: "The bytes of a request body that a client may send on an HTTP/3 stream before the application has taken some, at first. It grows for those that are faster, up to --http3-connection-window-size.",
		at:   func(c *Config) value { return size(&c.Server.HTTP.H3.StreamWindow, 16<<10, 16<<20) },
	}, {
		Name: "http3_connection_window_size", Flags: []string{"http3-connection-window-size"}, Group: groupHTTP, Meta: "SIZE", Default: "1MiB",
		Help: "The bytes of request bodies that may be on their way on one HTTP/3 connection, at first; it grows to the fourfold for applications that keep up, while there is memory.",
		at:   func(c *Config) value { return size(&c.Server.HTTP.H3.ConnectionWindow, 64<<10, 256<<20) },
	}, {
		Name: "http3_max_concurrent_streams", Flags: []string{"http3-max-concurrent-streams"}, Group: groupHTTP, Meta: "INT", Default: "100",
		Help: "The number of requests that a client may have under way at a time on one HTTP/3 connection.",
		at:   func(c *Config) value { return number(&c.Server.HTTP.H3.MaxConcurrentStreams, 1, 1<<16) },
	}, {
		Name: "http3_early_data", Flags: []string{"http3-early-data"}, Group: groupHTTP, Meta: "on|off", Default: "on",
		Help: "Whether clients that come back may send requests with their first packet (0-RTT). Somebody else may send these once more: only GET, HEAD, OPTIONS and TRACE are served, with the field Early-Data: 1; others are answered 425.",
		at:   func(c *Config) value { return opposite{&c.Server.HTTP.H3.NoEarlyData} },
	},

	{
		Name: "compress", Flags: []string{"compress"}, Group: groupCompress, Meta: "CODING,...", Many: true, Commas: true,
		Help: "Compress responses for clients that accept it, with these codings in order of preference: zstd,br,gzip. Each may have a level (br:5). Without it responses are sent as they are.",
		at:   func(c *Config) value { return list(&c.Server.Compression.Codings, coding) },
	}, {
		Name: "compress_min_length", Flags: []string{"compress-min-length"}, Group: groupCompress, Meta: "SIZE", Default: "1KiB",
		Help: "The shortest response to compress.",
		at:   func(c *Config) value { return sizeOrNone(&c.Server.Compression.MinLength, 0, largest) },
	}, {
		Name: "compress_types", Flags: []string{"compress-types"}, Group: groupCompress, Meta: "TYPE,...", Many: true, Commas: true,
		Help: "The media types to compress, such as text/*,application/json. Without it: text, JSON, XML, SVG, WebAssembly and others that become smaller.",
		at:   func(c *Config) value { return list(&c.Server.Compression.Types, mediaType) },
	},
}
