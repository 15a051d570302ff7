package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// value parses one setting's text into its field of a Config. Its errors say
// what is allowed, and leave it to the caller to name the setting and the text.
type value interface {
	// Set takes one value. For a list it is called for each element.
	Set(s string) error
	// TOML renders the present value as the configuration file spells it.
	TOML() string
}

type numberValue[T int | int64] struct {
	at       *T
	min, max T
}

func number[T int | int64](at *T, low, high T) value { return numberValue[T]{at, low, high} }

// unbounded is the high of a number that has only a lower bound.
const unbounded = math.MaxInt32

func (v numberValue[T]) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("not a whole number")
	}
	switch {
	case T(n) < v.min && v.max == unbounded:
		return fmt.Errorf("must be at least %d", v.min)
	case T(n) < v.min || T(n) > v.max:
		return fmt.Errorf("must be from %d to %d", v.min, v.max)
	}
	*v.at = T(n)
	return nil
}

func (v numberValue[T]) TOML() string { return strconv.FormatInt(int64(*v.at), 10) }

type durationValue struct {
	at       *time.Duration
	min, max time.Duration
}

func duration(at *time.Duration, low, high time.Duration) value {
	return durationValue{at, low, high}
}

// longest bounds durations that need no bound of their own.
const longest = 365 * 24 * time.Hour

func (v durationValue) Set(s string) error {
	d, err := parseDuration(s)
	if err != nil {
		return err
	}
	if d < v.min || d > v.max {
		return fmt.Errorf("must be from %s to %s", formatDuration(v.min), formatDuration(v.max))
	}
	*v.at = d
	return nil
}

func (v durationValue) TOML() string { return strconv.Quote(formatDuration(*v.at)) }

// parseDuration takes seconds ("30", "0.5") and numbers with units ("30s",
// "2m", "1h30m", "500ms", "7d").
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("not a duration: give seconds or a number with a unit (30, 30s, 2m, 500ms, 1h)")
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(math.Abs(n) < 1e5) {
			return 0, bad
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if !(math.Abs(n) < 1e9) {
			return 0, bad
		}
		return time.Duration(n * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		return 0, bad
	}
	return d, nil
}

// formatDuration drops the zero units that time.Duration spells out.
func formatDuration(d time.Duration) string {
	s := d.String()
	if t, ok := strings.CutSuffix(s, "m0s"); ok {
		s = t + "m"
	}
	if t, ok := strings.CutSuffix(s, "h0m"); ok {
		s = t + "h"
	}
	return s
}

type sizeValue[T int | int64] struct {
	at       *T
	min, max int64
}

func size[T int | int64](at *T, low, high int64) value { return sizeValue[T]{at, low, high} }

// largest bounds sizes that need no bound of their own: 8 EiB less one byte is
// no help to anyone, a pebibyte is.
const largest = 1 << 50

func (v sizeValue[T]) Set(s string) error {
	n, err := parseSize(s)
	if err != nil {
		return err
	}
	if n < v.min || n > v.max {
		return fmt.Errorf("must be from %s to %s", formatSize(v.min), formatSize(v.max))
	}
	*v.at = T(n)
	return nil
}

func (v sizeValue[T]) TOML() string {
	if s := formatSize(int64(*v.at)); strings.HasSuffix(s, "B") {
		return strconv.Quote(s)
	}
	return strconv.FormatInt(int64(*v.at), 10)
}

var sizeUnits = []struct {
	suffix string
	shift  uint
}{{"k", 10}, {"m", 20}, {"g", 30}, {"t", 40}}

// parseSize takes bytes, or a number with a unit. Units are powers of 1024,
// whether they are spelled k, kB or KiB: that is what people mean by a buffer
// of 64k.
func parseSize(s string) (int64, error) {
	bad := fmt.Errorf("not a size: give bytes or a number with a unit (8190, 64k, 16MiB, 1GiB)")
	digits := strings.ToLower(strings.TrimSpace(s))
	digits = strings.TrimSuffix(digits, "b")
	digits = strings.TrimSuffix(digits, "i")
	shift := uint(0)
	for _, u := range sizeUnits {
		if d, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, shift = strings.TrimSpace(d), u.shift
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64>>shift || n < 0 {
		return 0, bad
	}
	return n << shift, nil
}

// formatSize uses the largest unit that divides n.
func formatSize(n int64) string {
	for i := len(sizeUnits) - 1; i >= 0; i-- {
		u := sizeUnits[i]
		if n != 0 && n%(1<<u.shift) == 0 {
			return strconv.FormatInt(n>>u.shift, 10) + strings.ToUpper(u.suffix) + "iB"
		}
	}
	return strconv.FormatInt(n, 10)
}

type choiceValue struct {
	at      *string
	allowed []string
	// synonyms are other spellings, in lower case, and what they stand for.
	synonyms map[string]string
}

func choice(at *string, synonyms map[string]string, allowed ...string) value {
	return choiceValue{at, allowed, synonyms}
}

func (v choiceValue) Set(s string) error {
	if to, ok := v.synonyms[strings.ToLower(s)]; ok {
		s = to
	}
	for _, a := range v.allowed {
		if strings.EqualFold(a, s) {
			*v.at = a
			return nil
		}
	}
	return fmt.Errorf("must be one of %s%s", strings.Join(v.allowed, ", "), didYouMean(s, v.allowed, ""))
}

func (v choiceValue) TOML() string { return strconv.Quote(*v.at) }

type textValue struct {
	at    *string
	check func(string) (string, error)
}

// text takes any string that check, if it is not nil, passes; check may return
// it in another form.
func text(at *string, check func(string) (string, error)) value { return textValue{at, check} }

func (v textValue) Set(s string) (err error) {
	if v.check != nil {
		if s, err = v.check(s); err != nil {
			return err
		}
	}
	*v.at = s
	return nil
}

func (v textValue) TOML() string { return strconv.Quote(*v.at) }

type listValue struct {
	at    *[]string
	check func(string) (string, error)
}

func list(at *[]string, check func(string) (string, error)) value { return listValue{at, check} }

func (v listValue) Set(s string) error {
	var one string
	if err := text(&one, v.check).Set(s); err != nil {
		return err
	}
	*v.at = append(*v.at, one)
	return nil
}

func (v listValue) TOML() string {
	quoted := make([]string, len(*v.at))
	for i, s := range *v.at {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

type boolValue struct{ at *bool }

func boolean(at *bool) value { return boolValue{at} }

func (v boolValue) Set(s string) error {
	switch strings.ToLower(s) {
	case "true", "on", "yes", "1":
		*v.at = true
	case "false", "off", "no", "0":
		*v.at = false
	default:
		return fmt.Errorf("must be on or off")
	}
	return nil
}

func (v boolValue) TOML() string { return strconv.FormatBool(*v.at) }

// helpValue is a switch that may have a topic.
type helpValue struct {
	asked *bool
	topic *string
}

func (v helpValue) Set(s string) error {
	*v.asked = true
	if s != "true" { // which a switch alone is
		*v.topic = s
	}
	return nil
}

func (v helpValue) TOML() string { return strconv.Quote(*v.topic) }
