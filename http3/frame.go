package http3

import "github.com/quic-go/quic-go/quicvarint"

// frameType is a type of RFC 9114 section 7.2 or RFC 9218 section 7.2.
type frameType uint64

const (
	frameData           frameType = 0x0
	frameHeaders        frameType = 0x1
	frameCancelPush     frameType = 0x3
	frameSettings       frameType = 0x4
	framePushPromise    frameType = 0x5
	frameGoAway         frameType = 0x7
	frameMaxPushID      frameType = 0xd
	framePriorityUpdate frameType = 0xf0700
	framePriorityPush   frameType = 0xf0701
)

// isKnown tells of types that have a meaning.
func (t frameType) isKnown() bool { return t.String() != "" }

// isOld tells of types that HTTP/2 had and HTTP/3 does not, which are errors
// (section 7.2.8).
func (t frameType) isOld() bool { return t == 0x2 || t == 0x6 || t == 0x8 || t == 0x9 }

// String returns the name of a type that is known.
func (t frameType) String() string {
	switch t {
	case frameData:
		return "DATA"
	case frameHeaders:
		return "HEADERS"
	case frameCancelPush:
		return "CANCEL_PUSH"
	case frameSettings:
		return "SETTINGS"
	case framePushPromise:
		return "PUSH_PROMISE"
	case frameGoAway:
		return "GOAWAY"
	case frameMaxPushID:
		return "MAX_PUSH_ID"
	case framePriorityUpdate, framePriorityPush:
		return "PRIORITY_UPDATE"
	}
	return ""
}

// Types of unidirectional streams, RFC 9114 section 6.2 and RFC 9204 section 4.2.
const (
	streamControl      = 0x0
	streamPush         = 0x1
	streamQPACKEncoder = 0x2
	streamQPACKDecoder = 0x3
)

// Settings, RFC 9114 section 7.2.4.1, RFC 9204 section 5, RFC 9220 section 5.
const (
	settingMaxFieldSection = 0x6
	settingEnableConnect   = 0x8
)

// isOldSetting tells of settings that HTTP/2 had and HTTP/3 does not.
func isOldSetting(id uint64) bool { return id >= 0x2 && id <= 0x5 }

func appendFrameHeader(b []byte, t frameType, length int) []byte {
	b = quicvarint.Append(b, uint64(t))
	return quicvarint.Append(b, uint64(length))
}

// appendHello appends what our control stream begins with.
func appendHello(b []byte, headLimit int) []byte {
	var payload []byte
	for _, s := range []struct{ id, value uint64 }{
		{settingMaxFieldSection, uint64(headLimit)},
		{settingEnableConnect, 1},
	} {
		payload = quicvarint.Append(payload, s.id)
		payload = quicvarint.Append(payload, min(s.value, quicvarint.Max))
	}
	b = quicvarint.Append(b, streamControl)
	b = appendFrameHeader(b, frameSettings, len(payload))
	return append(b, payload...)
}

func appendGoAway(b []byte, id uint64) []byte {
	b = appendFrameHeader(b, frameGoAway, quicvarint.Len(id))
	return quicvarint.Append(b, id)
}

// parseVarint reads a payload that is one number.
func parseVarint(p []byte) (uint64, error) {
	v, n, err := quicvarint.Parse(p)
	if err != nil || n != len(p) {
		return 0, connError{codeFrame, "payload is not one number"}
	}
	return v, nil
}

// checkSettings judges the payload of SETTINGS. Of what a client may set, nothing
// changes what we send: we make no use of a dynamic table, and a section that its
// limit forbids is its problem.
func checkSettings(p []byte) error {
	seen := make(map[uint64]bool)
	for len(p) > 0 {
		id, n, err := quicvarint.Parse(p)
		if err != nil {
			return connError{codeFrame, "SETTINGS is cut short"}
		}
		value, m, err := quicvarint.Parse(p[n:])
		if err != nil {
			return connError{codeFrame, "SETTINGS is cut short"}
		}
		p = p[n+m:]
		switch {
		case isOldSetting(id):
			return connError{codeSettings, "setting of HTTP/2"}
		case seen[id]:
			return connError{codeSettings, "setting is repeated"}
		case id == settingEnableConnect && value > 1:
			return connError{codeSettings, "setting is neither 0 nor 1"}
		}
		seen[id] = true
	}
	return nil
}
