package httpfield

import "github.com/asteri/asteri-loop"

// Settings returns the settings of a protocol, of which the fields that it writes
// itself can be sent: an embedding program may have put anything there.
func Settings(h asteri.Handler, opts ...asteri.Option) asteri.Settings {
	s := asteri.NewSettings(h, opts...)
	for name, value := range map[string]*string{"Server": &s.Server, "Alt-Svc": &s.AltSvc} {
		if !IsValue([]byte(*value)) {
			s.Logger.Error("a field of the server is not sent: it has a control character", "field", name, "value", *value)
			*value = ""
		}
	}
	if s.RequestIDField != "" && !IsToken([]byte(s.RequestIDField)) {
		s.Logger.Error("request ids are not sent: that is no name of a field", "name", s.RequestIDField)
		s.RequestIDField = ""
	}
	return s
}
