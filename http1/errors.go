package http1

import "github.com/asteri/asteri-loop"

func bad(reason string) *asteri.StatusError {
	return &asteri.StatusError{Code: 400, Reason: reason}
}

func errRequestLine() *asteri.StatusError {
	return &asteri.StatusError{Code: 414, Reason: "request line is too long"}
}

func errFieldSize() *asteri.StatusError {
	return &asteri.StatusError{Code: 431, Reason: "field line is too long"}
}

func errFieldCount() *asteri.StatusError {
	return &asteri.StatusError{Code: 431, Reason: "too many fields"}
}

func errHeadSize() *asteri.StatusError {
	return &asteri.StatusError{Code: 431, Reason: "head is too long"}
}

func errBodySize() *asteri.StatusError {
	return &asteri.StatusError{Code: 413, Reason: "content is too long"}
}

func errTimeout(reason string) *asteri.StatusError {
	return &asteri.StatusError{Code: 408, Reason: reason}
}
