package config

import "testing"

func TestStatsdAddress(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "localhost": "localhost:8125", "localhost:99": "localhost:99", "udp://h:1": "h:1",
		"[::1]:8125": "[::1]:8125", "::1": "[::1]:8125", "[::1]": "[::1]:8125",
		"unix:/run/s": "unix:/run/s", "unix:///run/s": "unix:/run/s",
	} {
		if got, err := statsdAddress(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"unix:", ":8125", "h:port", "http://h/"} {
		if got, err := statsdAddress(in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestStatsdWords(t *testing.T) {
	for _, in := range []string{"a b", "a|b", "a#b", "a\nb", "caf\u00e9"} {
		if _, err := statsdWord(in); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
	if got, err := statsdWord("env:test,team:web"); err != nil || got != "env:test,team:web" {
		t.Errorf("%q, %v", got, err)
	}
}
