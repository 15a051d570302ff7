package http2

// headerField is a field of a header section.
type headerField struct{ name, value string }

// staticTable is the static table of HPACK, RFC 7541 appendix A. It begins at 1.
var staticTable = [...]headerField{
	1: {":authority", ""}, {":method", "GET"}, {":method", "POST"}, {":path", "/"},
	{":path", "/index.html"}, {":scheme", "http"}, {":scheme", "https"}, {":status", "200"},
	{":status", "204"}, {":status", "206"}, {":status", "304"}, {":status", "400"},
	{":status", "404"}, {":status", "500"}, {"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"}, {"accept-language", ""}, {"accept-ranges", ""},
	{"accept", ""}, {"access-control-allow-origin", ""}, {"age", ""}, {"allow", ""},
	{"authorization", ""}, {"cache-control", ""}, {"content-disposition", ""},
	{"content-encoding", ""}, {"content-language", ""}, {"content-length", ""},
	{"content-location", ""}, {"content-range", ""}, {"content-type", ""}, {"cookie", ""},
	{"date", ""}, {"etag", ""}, {"expect", ""}, {"expires", ""}, {"from", ""}, {"host", ""},
	{"if-match", ""}, {"if-modified-since", ""}, {"if-none-match", ""}, {"if-range", ""},
	{"if-unmodified-since", ""}, {"last-modified", ""}, {"link", ""}, {"location", ""},
	{"max-forwards", ""}, {"proxy-authenticate", ""}, {"proxy-authorization", ""}, {"range", ""},
	{"referer", ""}, {"refresh", ""}, {"retry-after", ""}, {"server", ""}, {"set-cookie", ""},
	{"strict-transport-security", ""}, {"transfer-encoding", ""}, {"user-agent", ""}, {"vary", ""},
	{"via", ""}, {"www-authenticate", ""},
}

const staticEntries = len(staticTable) - 1

// staticNames holds for each name in the static table its first index.
var staticNames = func() map[string]uint8 {
	m := make(map[string]uint8)
	for i := staticEntries; i > 0; i-- {
		m[staticTable[i].name] = uint8(i)
	}
	return m
}()

const (
	entryOverhead = 32   // RFC 7541 section 4.1
	tableSize     = 4096 // of either side, by default
)

// The ways in which a field is written, RFC 7541 section 6.
const (
	opIndexed      = 0x80
	opInsert       = 0x40
	opResize       = 0x20
	opNeverIndexed = 0x10
	opLiteral      = 0x00
)
