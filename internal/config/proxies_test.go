package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestProxyDefaults(t *testing.T) {
	c := mustLoad(t, "", nil)
	loopback := []string{"127.0.0.1/32", "::1/128"}
	if !slices.Equal(c.ForwardedAllowIPs, loopback) || !slices.Equal(c.ProxyAllowIPs, loopback) || c.ProxyProtocol != "off" {
		t.Errorf("%q, %q, %s", c.ForwardedAllowIPs, c.ProxyAllowIPs, c.ProxyProtocol)
	}
	if want := []string{"X-FORWARDED-PROTOCOL=ssl", "X-FORWARDED-PROTO=https", "X-FORWARDED-SSL=on"}; !slices.Equal(c.SecureSchemeHeaders, want) {
		t.Errorf("%q", c.SecureSchemeHeaders)
	}
	if c.HeaderMap != "drop" || !slices.Equal(c.ForwarderHeaders, []string{"SCRIPT_NAME", "PATH_INFO"}) {
		t.Errorf("%s, %q", c.HeaderMap, c.ForwarderHeaders)
	}
	if c.LimitRequests != (Rate{}) || c.MaxConnectionsPerAddress != 0 || len(c.Warnings) > 0 {
		t.Errorf("%+v, %d, %q", c.LimitRequests, c.MaxConnectionsPerAddress, c.Warnings)
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
		if env != nil && !slices.Equal(c.ForwardedAllowIPs, want) || !slices.Equal(c.ProxyAllowIPs, want) {
			t.Errorf("%q: %q, %q", given, c.ForwardedAllowIPs, c.ProxyAllowIPs)
		}
	}
	c := mustLoad(t, "forwarded_allow_ips = []\nproxy_allow_ips = ['10.0.0.1']", nil)
	if len(c.ForwardedAllowIPs) != 0 || !slices.Equal(c.ProxyAllowIPs, []string{"10.0.0.1/32"}) {
		t.Errorf("%q, %q", c.ForwardedAllowIPs, c.ProxyAllowIPs)
	}
}

func TestProxyProtocolNames(t *testing.T) {
	for given, want := range map[string]string{"v1": "v1", "V2": "v2", "auto": "auto", "true": "auto", "false": "off"} {
		if c := mustLoad(t, "", nil, "--proxy-protocol", given); c.ProxyProtocol != want {
			t.Errorf("%s: %s", given, c.ProxyProtocol)
		}
	}
}

func TestRates(t *testing.T) {
	for given, want := range map[string]Rate{
		"0":       {},
		"20":      {20, time.Second, 20},
		"20/s":    {20, time.Second, 20},
		"20/s:50": {20, time.Second, 50},
		"100/m":   {100, time.Minute, 100},
		"5/h:1":   {5, time.Hour, 1},
	} {
		if c := mustLoad(t, "", nil, "--limit-requests", given); c.LimitRequests != want {
			t.Errorf("%s: %+v", given, c.LimitRequests)
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
	if !slices.Equal(c.SecureSchemeHeaders, []string{"Front-End-Https=on"}) {
		t.Errorf("%q", c.SecureSchemeHeaders)
	}
	for _, bad := range []string{"X-FORWARDED-PROTO", "X Y=1", "X="} {
		if c, err := load(t, "secure_scheme_headers = ['"+bad+"']", nil); err == nil {
			t.Errorf("%s: %q", bad, c.SecureSchemeHeaders)
		}
	}
}

func TestLimitThatLimitsNobody(t *testing.T) {
	c := mustLoad(t, "", nil, "--forwarded-allow-ips", "*", "--max-connections-per-address", "5")
	if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "--max-connections-per-address has no effect") {
		t.Errorf("%q", c.Warnings)
	}
}
