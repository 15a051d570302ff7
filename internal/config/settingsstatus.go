package config

// statusSettings are those of what the server tells about itself.
var statusSettings = []*setting{
	{
		Name: "status", Flags: []string{"status"}, Group: groupStatus, Meta: "on|off", Default: "on",
		Help: "Whether /livez, /readyz and /asteri-status.json are answered by the server, to clients on this machine. For all others /livez and /readyz belong to the application.",
		at:   func(c *Config) value { return boolean(&c.Status) },
	}, {
		Name: "status_allow", Flags: []string{"status-allow"}, Group: groupStatus, Meta: "NETWORK", Many: true,
		Help: "Also answer them to clients at this address or in this network (10.0.0.0/8). May be repeated.",
		at:   func(c *Config) value { return list(&c.StatusAllow, network) },
	},

	{
		Name: "server_timing", Flags: []string{"server-timing"}, Group: groupDebugging, Meta: "on|off", Default: "off",
		Help: "Whether responses say how long the application took, in the field Server-Timing. For development: every client can see it.",
		at:   func(c *Config) value { return boolean(&c.ServerTiming) },
	}, {
		Name: "check_config", Flags: []string{"check-config"}, Group: groupDebugging, Command: true,
		Help: "Check the settings and import the application, then exit: 0 if all is well.",
		at:   func(c *Config) value { return boolean(&c.CheckConfig) },
	}, {
		Name: "print_config", Flags: []string{"print-config"}, Group: groupDebugging, Command: true,
		Help: "Print the settings, and where each comes from, as a configuration file.",
		at:   func(c *Config) value { return boolean(&c.PrintConfig) },
	},
}
