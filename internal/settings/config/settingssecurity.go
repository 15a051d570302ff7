package config

import "time"

// securitySettings are the limits on what clients may do, and TLS.
var securitySettings = []*setting{
	{
		Name: "limit_requests", Flags: []string{"limit-requests"}, Group: groupSecurity, Meta: "RATE[:BURST]", Default: "0",
		Help: "The requests that a client may send: 20 or 20/s in a second, 100/m in a minute, 1000/h in an hour. Those beyond are answered 429 with Retry-After. BURST may come at once; without it, as many as the rate names. 0 is no limit.",
		at:   func(c *Config) value { return rateValue{&c.Server.Rate} },
	}, {
		Name: "limit_exempt", Flags: []string{"limit-exempt"}, Group: groupSecurity, Meta: "NETWORK,...", Many: true, Commas: true,
		Help: "Clients to whom --limit-requests and --max-connections-per-address do not apply.",
		at:   func(c *Config) value { return list(&c.Server.Rate.Exempt, networkOrEveryone) },
	}, {
		Name: "limit_request_line", Flags: []string{"limit-request-line"}, Group: groupSecurity, Meta: "SIZE", Default: "4094",
		Help: "The longest request line, answered 414 beyond. 0 is no limit of its own.",
		at:   func(c *Config) value { return sizeOrNone(&c.Server.Limits.RequestLine, 0, 1<<30) },
	}, {
		Name: "limit_request_fields", Flags: []string{"limit-request-fields"}, Group: groupSecurity, Meta: "INT", Default: "100",
		Help: "The most header fields of a request, answered 431 beyond. 0 is no limit of its own.",
		at:   func(c *Config) value { return numberOrNone(&c.Server.Limits.Fields) },
	}, {
		Name: "limit_request_field_size", Flags: []string{"limit-request-field_size"}, Group: groupSecurity, Meta: "SIZE", Default: "8190",
		Help: "The longest header field, answered 431 beyond. 0 is no limit of its own.",
		at:   func(c *Config) value { return sizeOrNone(&c.Server.Limits.FieldSize, 0, 1<<30) },
	}, {
		Name: "limit_request_head", Flags: []string{"limit-request-head"}, Group: groupSecurity, Meta: "SIZE", Default: "64KiB",
		Help: "The largest request head, which is request line and fields together; answered 431 beyond.",
		at:   func(c *Config) value { return size(&c.Server.Limits.Head, 1<<10, 16<<20) },
	}, {
		Name: "limit_response_head", Flags: []string{"limit-response-head"}, Group: groupSecurity, Meta: "SIZE", Default: "256KiB",
		Help: "The largest response head, as names and values of its fields and 4 bytes for each: of a Python application, answered 500 beyond, and of a server behind a URL mount, answered 502. The interim responses (1xx) of a request, which are 100 at most, count together, and so do trailers. A Python application has 1000 fields at most.",
		Live: true,
		at:   func(c *Config) value { return size(&c.Python.ResponseHead, 1<<10, 8<<20) },
	}, {
		Name: "max_body_size", Flags: []string{"max-body-size"}, Group: groupSecurity, Meta: "SIZE", Default: "1GiB",
		Help: "The largest request body, answered 413 beyond. 0 is no limit.",
		at:   func(c *Config) value { return sizeOrNone(&c.Server.Limits.Body, 0, largest) },
	}, {
		Name: "header_timeout", Flags: []string{"header-timeout"}, Group: groupSecurity, Meta: "TIME", Default: "10s",
		Help: "The time that a client has to send a request head, answered 408 beyond. 0 is no limit.",
		at:   func(c *Config) value { return durationOrNone(&c.Server.Timeouts.Header) },
	}, {
		Name: "body_timeout", Flags: []string{"body-timeout"}, Group: groupSecurity, Meta: "TIME", Default: "30s",
		Help: "The time that a client may pause within a request body, answered 408 beyond. 0 is no limit.",
		at:   func(c *Config) value { return durationOrNone(&c.Server.Timeouts.Body) },
	}, {
		Name: "min_body_rate", Flags: []string{"min-body-rate"}, Group: groupSecurity, Meta: "SIZE", Default: "240",
		Help: "The least bytes a second at which a request body must arrive, once it was waited for longer than --rate-grace; answered 408 below. Time in which the application takes nothing does not count. 0 is no limit.",
		at:   func(c *Config) value { return sizeOrNone(&c.Server.Timeouts.BodyRate, 0, 1<<30) },
	}, {
		Name: "min_response_rate", Flags: []string{"min-response-rate"}, Group: groupSecurity, Meta: "SIZE", Default: "240",
		Help: "The least bytes a second at which a client must take what waits for it, on average over at least --rate-grace; below it is disconnected, or its stream reset. Time in which nothing waits for it does not count, and WebSockets are exempt. 0 is no limit.",
		at:   func(c *Config) value { return sizeOrNone(&c.Server.Timeouts.ResponseRate, 0, 1<<30) },
	}, {
		Name: "rate_grace", Flags: []string{"rate-grace"}, Group: groupSecurity, Meta: "TIME", Default: "5s",
		Help: "The shortest time over which --min-body-rate and --min-response-rate are judged.",
		at:   func(c *Config) value { return duration(&c.Server.Timeouts.RateGrace, time.Second, longest) },
	},

	{
		Name: "certfile", Flags: []string{"certfile"}, Group: groupSSL, Meta: "FILE", Many: true, Live: true,
		Help: "A certificate chain (PEM). May be repeated: the name that the client asks for decides, the first is for all others. Without one, TLS is answered with a certificate made at start.",
		at:   func(c *Config) value { return list(&c.Server.TLS.CertFiles, nil) },
	}, {
		Name: "keyfile", Flags: []string{"keyfile"}, Group: groupSSL, Meta: "FILE", Many: true, Live: true,
		Help: "The private key (PEM), one for each --certfile in the same order. Not needed if the certificate files hold the keys.",
		at:   func(c *Config) value { return list(&c.Server.TLS.KeyFiles, nil) },
	}, {
		Name: "ca_certs", Flags: []string{"ca-certs"}, Group: groupSSL, Meta: "FILE", Live: true,
		Help: "Certificates (PEM) of the authorities whose client certificates are accepted.",
		at:   func(c *Config) value { return text(&c.Server.TLS.CAFile, nil) },
	}, {
		Name: "verify_client", Flags: []string{"verify-client"}, Group: groupSSL, Meta: "MODE", Default: "none", Live: true,
		Help: "Whether clients show a certificate: none, optional or required.",
		at:   func(c *Config) value { return choice(&c.Server.TLS.VerifyClient, nil, "none", "optional", "required") },
	}, {
		Name: "cert_reqs", Flags: []string{"cert-reqs"}, Group: groupSSL, Meta: "0|1|2",
		Help:   "gunicorn's spelling of --verify-client: none, optional, required.",
		expand: expandCertReqs,
	}, {
		Name: "ssl_version", Flags: []string{"ssl-version"}, Group: groupSSL, Meta: "VERSION", Default: "TLSv1_2", Live: true,
		Help: "The lowest version of TLS: TLSv1_2 or TLSv1_3.",
		at:   func(c *Config) value { return choice(&c.Server.TLS.MinVersion, tlsVersions, "TLSv1_2", "TLSv1_3") },
	}, {
		Name: "ciphers", Flags: []string{"ciphers"}, Group: groupSSL, Meta: "LIST", Live: true,
		Help: "The cipher suites of TLS 1.2, by OpenSSL's or the standard names, separated by colons. Without it: those of Mozilla's intermediate recommendation, which are ECDHE with AES-GCM or ChaCha20. Those of TLS 1.3 are fixed.",
		at:   func(c *Config) value { return text(&c.Server.TLS.Ciphers, nil) },
	}, {
		Name: "protocols", Flags: []string{"protocols"}, Group: groupSSL, Meta: "LIST", Many: true, Commas: true,
		Help: "What the ports speak: http, https, or http,https for both on each port. Where it is https only, plain HTTP is redirected. Without it: https with --certfile, else both.",
		at:   func(c *Config) value { return list(&c.Server.Listen.Schemes, scheme) },
	}, {
		Name: "handshake_timeout", Flags: []string{"handshake-timeout"}, Group: groupSSL, Meta: "TIME", Default: "10s",
		Help: "The time that a client has for the TLS handshake.",
		at:   func(c *Config) value { return duration(&c.Server.Engine.HandshakeTimeout, time.Second, longest) },
	}, {
		Name: "max_handshakes", Flags: []string{"max-handshakes"}, Group: groupSSL, Meta: "INT", Default: "4096",
		Help: "The number of connections that may be in the TLS handshake; those beyond it are closed.",
		at:   func(c *Config) value { return number(&c.Server.Engine.MaxHandshakes, 4, 1<<20) },
	},
}
