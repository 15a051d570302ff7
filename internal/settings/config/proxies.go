package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/internal/bounds/addrset"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/server"
)

// loopbackAddresses are the proxies that are trusted unless others are named.
const loopbackAddresses = "127.0.0.1,::1"

// proxyPeer is an address, a network, or a word for peers that have none or for all.
func proxyPeer(s string) (string, error) {
	if s == addrset.Unix {
		return s, nil
	}
	return networkOrEveryone(s)
}

// secureScheme is NAME=VALUE of a field.
func secureScheme(s string) (string, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || !httpfield.IsToken(name) || value == "" {
		return "", errors.New("must be a field and its value: X-FORWARDED-PROTO=https")
	}
	return s, nil
}

// underscored is a field name with an underscore, or * for all of them. Other
// names need no permission.
func underscored(s string) (string, error) {
	if s != "*" && (!httpfield.IsToken(s) || !strings.Contains(s, "_")) {
		return "", errors.New("must be a field name with an underscore, such as SCRIPT_NAME, or *")
	}
	return s, nil
}

// rateValue is RATE[:BURST], with RATE a number for each second, or with a unit of
// time behind a slash.
type rateValue struct{ at *server.Rate }

var rateUnits = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// mostRequests bounds rates and bursts; more is no limit in effect.
const mostRequests = 1_000_000

func (v rateValue) Set(s string) error {
	rate, burst, hasBurst := strings.Cut(s, ":")
	count, unit, hasUnit := strings.Cut(rate, "/")
	if !hasUnit {
		unit = rateUnits[0].name
	}
	var r server.Rate
	for _, u := range rateUnits {
		if u.name == unit {
			r.Per = u.per
		}
	}
	var err1, err2 error
	r.Requests, err1 = strconv.Atoi(count)
	r.Burst = r.Requests
	if hasBurst {
		r.Burst, err2 = strconv.Atoi(burst)
	}
	switch {
	case err1 != nil || err2 != nil || r.Per == 0:
		return errors.New("must be a rate like 20 or 20/s, 100/m, 1000/h, with a burst behind a colon or without: 20/s:50")
	case r.Requests == 0 && !hasBurst:
		r.Per, r.Burst = 0, 0
	case min(r.Requests, r.Burst) < 1 || max(r.Requests, r.Burst) > mostRequests:
		return fmt.Errorf("rate and burst must be from 1 to %d", mostRequests)
	}
	v.at.Requests, v.at.Per, v.at.Burst = r.Requests, r.Per, r.Burst
	return nil
}

func (v rateValue) TOML() string {
	for _, u := range rateUnits {
		if u.per == v.at.Per {
			return strconv.Quote(fmt.Sprintf("%d/%s:%d", v.at.Requests, u.name, v.at.Burst))
		}
	}
	return "0"
}

// checkProxies warns of a limit that limits nobody.
func (c *Config) checkProxies() {
	if c.Server.Engine.MaxConnectionsPerAddress > 0 && slices.Contains(c.Server.Proxies.Trusted, addrset.Everyone) {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s has no effect: with forwarded_allow_ips = * every address counts as a proxy",
			c.origins["max_connections_per_address"].Name))
	}
}
