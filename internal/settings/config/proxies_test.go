package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/server"
)

func TestProxyDefaults(t *testing.T) {
	c := mustLoad(t, "", nil)
	loopback := []string{"127.0.0.1/32", "::1/128"}
	if !slices.Equal(c.Server.Proxies.Trusted, loopback) || !slices.Equal(c.Server.Proxies.ProxyProtocolFrom, loopback) || c.Server.Proxies.ProxyProtocol != "off" {
		t.Errorf("%q, %q, %s", c.Server.Proxies.Trusted, c.Server.Proxies.ProxyProtocolFrom, c.Server.Proxies.ProxyProtocol)
	}
	if want := []server.SecureScheme{{Name: "X-FORWARDED-PROTOCOL", Secure: "ssl"}, {Name: "X-FORWARDED-PROTO", Secure: "https"}, {Name: "X-FORWARDED-SSL", Secure: "on"}}; !slices.Equal(c.Server.Proxies.SecureSchemes, want) {
		t.Errorf("%q", c.Server.Proxies.SecureSchemes)
	}
	if c.Server.Proxies.Underscores != "drop" || !slices.Equal(c.Server.Proxies.Forwarders, []string{"SCRIPT_NAME", "PATH_INFO"}) {
		t.Errorf("%s, %q", c.Server.Proxies.Underscores, c.Server.Proxies.Forwarders)
	}
	if !reflect.DeepEqual(c.Server.Rate, server.Rate{}) || c.Server.Engine.MaxConnectionsPerAddress != 0 || len(c.Warnings) > 0 {
		t.Errorf("%+v, %d, %q", c.Server.Rate, c.Server.Engine.MaxConnectionsPerAddress, c.Warnings)
	}
}

func TestNetworks(t *testing.T) {
	for given, want := range map[string][]string{
		"10.1.2.3/8, ::1":  {"10.0.0.0/8", "::1/128"},
		"*":                {"*"},
		"":                 nil,
		"::ffff:192.0.2.1": {"192.0.2.1/32"},
	} {
		var env []string
		if given != "" { // an empty variable says nothing
			env = []string{"FORWARDED_ALLOW_IPS=" + given}
		}
		c := mustLoad(t, "", env, "--proxy-allow-from", given)
		if env != nil && !slices.Equal(c.Server.Proxies.Trusted, want) || !slices.Equal(c.Server.Proxies.ProxyProtocolFrom, want) {
			t.Errorf("%q: %q, %q", given, c.Server.Proxies.Trusted, c.Server.Proxies.ProxyProtocolFrom)
		}
	}
	c := mustLoad(t, "forwarded_allow_ips = []\nproxy_allow_ips = ['10.0.0.1']", nil)
	if len(c.Server.Proxies.Trusted) != 0 || !slices.Equal(c.Server.Proxies.ProxyProtocolFrom, []string{"10.0.0.1/32"}) {
		t.Errorf("%q, %q", c.Server.Proxies.Trusted, c.Server.Proxies.ProxyProtocolFrom)
	}
}

func TestProxyProtocolNames(t *testing.T) {
	for given, want := range map[string]string{"v1": "v1", "V2": "v2", "auto": "auto", "true": "auto", "false": "off"} {
		if c := mustLoad(t, "", nil, "--proxy-protocol", given); c.Server.Proxies.ProxyProtocol != want {
			t.Errorf("%s: %s", given, c.Server.Proxies.ProxyProtocol)
		}
	}
}

func TestRates(t *testing.T) {
	for given, want := range map[string]server.Rate{
		"0":       {},
		"20":      {Requests: 20, Per: time.Second, Burst: 20},
		"20/s":    {Requests: 20, Per: time.Second, Burst: 20},
		"20/s:50": {Requests: 20, Per: time.Second, Burst: 50},
		"100/m":   {Requests: 100, Per: time.Minute, Burst: 100},
		"5/h:1":   {Requests: 5, Per: time.Hour, Burst: 1},
	} {
		if c := mustLoad(t, "", nil, "--limit-requests", given); !reflect.DeepEqual(c.Server.Rate, want) {
			t.Errorf("%s: %+v", given, c.Server.Rate)
		}
	}
}

func TestProxySettingsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--forwarded-allow-ips", "localhost"}, {"--proxy-allow-from", "10.0.0.0/40"}, {"--limit-exempt", "x"},
		{"--forwarder-headers", "SCRIPT-NAME"}, {"--forwarder-headers", "A_B C"}, {"--header-map", "keep"}, {"--proxy-protocol", "v3"},
		{"--forwarded-fields", "via"}, {"--max-connections-per-address", "-1"},
		{"--limit-requests", "x"}, {"--limit-requests", "-1"}, {"--limit-requests", "1/d"}, {"--limit-requests", "1/s:0"},
		{"--limit-requests", "0:5"}, {"--limit-requests", "5:x"}, {"--limit-requests", "9999999"}, {"--limit-requests", "1/"},
	} {
		if c, err := load(t, "", nil, args...); err == nil || !strings.HasPrefix(err.Error(), args[0]) {
			t.Errorf("%q: %v, %v", args, c, err)
		}
	}
}

func TestSecureSchemeHeaders(t *testing.T) {
	c := mustLoad(t, "secure_scheme_headers = ['Front-End-Https=on']", nil)
	if !slices.Equal(c.Server.Proxies.SecureSchemes, []server.SecureScheme{{Name: "Front-End-Https", Secure: "on"}}) {
		t.Errorf("%q", c.Server.Proxies.SecureSchemes)
	}
	for _, bad := range []string{"X-FORWARDED-PROTO", "X Y=1", "X="} {
		if c, err := load(t, "secure_scheme_headers = ['"+bad+"']", nil); err == nil {
			t.Errorf("%s: %q", bad, c.Server.Proxies.SecureSchemes)
		}
	}
}

func TestLimitThatLimitsNobody(t *testing.T) {
	c := mustLoad(t, "", nil, "--forwarded-allow-ips", "*", "--max-connections-per-address", "5")
	if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "--max-connections-per-address has no effect") {
		t.Errorf("%q", c.Warnings)
	}
}
