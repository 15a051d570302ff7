package media

const utf8 = "; charset=utf-8"

// byExtension holds the types of what web servers serve, by IANA's registry
// where it has them. Text is taken to be UTF-8, as it is today.
var byExtension = map[string]string{
	// Documents and code.
	"html": "text/html" + utf8, "htm": "text/html" + utf8, "shtml": "text/html" + utf8,
	"xhtml": "application/xhtml+xml",
	"css":   "text/css" + utf8,
	"js":    "text/javascript" + utf8, "mjs": "text/javascript" + utf8, "cjs": "text/javascript" + utf8,
	"json": "application/json", "map": "application/json", "jsonld": "application/ld+json",
	"geojson": "application/geo+json", "topojson": "application/json", "har": "application/json",
	"webmanifest": "application/manifest+json", "importmap": "application/importmap+json",
	"ndjson": "application/x-ndjson", "jsonl": "application/jsonl",
	"xml": "application/xml", "xsl": "application/xslt+xml", "xslt": "application/xslt+xml", "xsd": "application/xml",
	"dtd": "application/xml-dtd", "rss": "application/rss+xml", "atom": "application/atom+xml", "rdf": "application/rdf+xml",
	"kml": "application/vnd.google-earth.kml+xml", "gpx": "application/gpx+xml", "mathml": "application/mathml+xml",
	"yaml": "application/yaml", "yml": "application/yaml", "toml": "application/toml",
	"wasm": "application/wasm",
	"txt":  "text/plain" + utf8, "text": "text/plain" + utf8, "log": "text/plain" + utf8, "conf": "text/plain" + utf8,
	"ini": "text/plain" + utf8, "cfg": "text/plain" + utf8, "diff": "text/plain" + utf8, "patch": "text/plain" + utf8,
	"asc": "text/plain" + utf8, "rst": "text/plain" + utf8, "srt": "text/plain" + utf8,
	"md": "text/markdown" + utf8, "markdown": "text/markdown" + utf8,
	"csv": "text/csv" + utf8, "tsv": "text/tab-separated-values" + utf8,
	"ics": "text/calendar" + utf8, "vcf": "text/vcard" + utf8, "vcard": "text/vcard" + utf8,
	"vtt": "text/vtt" + utf8, "htc": "text/x-component" + utf8, "appcache": "text/cache-manifest" + utf8,
	"py": "text/x-python" + utf8, "c": "text/x-c" + utf8, "h": "text/x-c" + utf8, "go": "text/x-go" + utf8,
	"sh": "application/x-sh", "tex": "application/x-tex", "sql": "application/sql",

	// Images.
	"png": "image/png", "apng": "image/apng", "jpg": "image/jpeg", "jpeg": "image/jpeg", "jpe": "image/jpeg",
	"jfif": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "avif": "image/avif", "jxl": "image/jxl",
	"heic": "image/heic", "heif": "image/heif", "svg": "image/svg+xml",
	"ico": "image/vnd.microsoft.icon", "cur": "image/vnd.microsoft.icon", "bmp": "image/bmp",
	"tif": "image/tiff", "tiff": "image/tiff", "psd": "image/vnd.adobe.photoshop",

	// Fonts.
	"woff": "font/woff", "woff2": "font/woff2", "ttf": "font/ttf", "otf": "font/otf", "ttc": "font/collection",
	"eot": "application/vnd.ms-fontobject",

	// Sound and pictures that move.
	"mp3": "audio/mpeg", "m4a": "audio/mp4", "aac": "audio/aac", "oga": "audio/ogg", "ogg": "audio/ogg",
	"opus": "audio/ogg", "flac": "audio/flac", "wav": "audio/wav", "weba": "audio/webm", "mid": "audio/midi",
	"midi": "audio/midi", "aif": "audio/aiff", "aiff": "audio/aiff",
	"mp4": "video/mp4", "m4v": "video/mp4", "mpg": "video/mpeg", "mpeg": "video/mpeg", "webm": "video/webm",
	"ogv": "video/ogg", "mov": "video/quicktime", "avi": "video/x-msvideo", "mkv": "video/matroska",
	"flv": "video/x-flv", "wmv": "video/x-ms-wmv", "3gp": "video/3gpp", "ts": "video/mp2t", "m2ts": "video/mp2t",
	"m3u8": "application/vnd.apple.mpegurl", "m3u": "audio/x-mpegurl", "mpd": "application/dash+xml",

	// Models.
	"gltf": "model/gltf+json", "glb": "model/gltf-binary", "obj": "model/obj", "mtl": "model/mtl", "stl": "model/stl",
	"usdz": "model/vnd.usdz+zip",

	// Offices.
	"pdf": "application/pdf", "rtf": "application/rtf", "ps": "application/postscript", "eps": "application/postscript",
	"ai": "application/postscript", "epub": "application/epub+zip",
	"doc": "application/msword", "dot": "application/msword",
	"xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	"odt":  "application/vnd.oasis.opendocument.text",
	"ods":  "application/vnd.oasis.opendocument.spreadsheet",
	"odp":  "application/vnd.oasis.opendocument.presentation",
	"eml":  "message/rfc822",

	// Archives and programs.
	"zip": "application/zip", "gz": "application/gzip", "tgz": "application/gzip", "bz2": "application/x-bzip2",
	"xz": "application/x-xz", "zst": "application/zstd", "br": "application/x-brotli", "7z": "application/x-7z-compressed",
	"rar": "application/vnd.rar", "tar": "application/x-tar", "jar": "application/java-archive",
	"war": "application/java-archive", "whl": "application/zip", "deb": "application/vnd.debian.binary-package",
	"rpm": "application/x-rpm", "apk": "application/vnd.android.package-archive", "iso": "application/x-iso9660-image",
	"dmg": "application/x-apple-diskimage", "msi": "application/x-msi", "exe": "application/vnd.microsoft.portable-executable",
	"crx": "application/x-chrome-extension", "xpi": "application/x-xpinstall", "torrent": "application/x-bittorrent",
	"swf": "application/x-shockwave-flash", "sqlite": "application/vnd.sqlite3", "parquet": "application/vnd.apache.parquet",
	"pem": "application/x-pem-file", "crt": "application/x-x509-ca-cert", "cer": "application/pkix-cert",
	"der": "application/x-x509-ca-cert", "crl": "application/pkix-crl", "p7c": "application/pkcs7-mime",
	"proto": "text/plain" + utf8, "plist": "application/x-plist", "mobileconfig": "application/x-apple-aspen-config",
}

// plain holds types beside text/* that compression makes smaller, in lower case.
var plain = map[string]bool{
	"application/atom+xml": true, "application/javascript": true, "application/ecmascript": true,
	"application/x-javascript": true, "application/json": true, "application/jsonl": true, "application/x-ndjson": true,
	"application/json-seq": true, "application/graphql": true, "application/xml": true, "application/xml-dtd": true,
	"application/yaml": true, "application/x-yaml": true, "application/toml": true, "application/sql": true,
	"application/rtf": true, "application/postscript": true, "application/wasm": true, "application/x-sh": true,
	"application/x-tex": true, "application/x-tar": true, "application/x-pem-file": true, "application/x-plist": true,
	"application/vnd.apple.mpegurl": true, "application/vnd.ms-fontobject": true, "application/x-font-ttf": true,
	"application/x-protobuf": true, "application/vnd.sqlite3": true,
	"font/ttf": true, "font/otf": true, "font/collection": true, "font/sfnt": true,
	"image/bmp": true, "image/x-icon": true, "image/vnd.microsoft.icon": true, "image/vnd.adobe.photoshop": true,
	"audio/wav": true, "audio/x-mpegurl": true, "model/obj": true, "model/mtl": true, "model/stl": true,
	"model/gltf-binary": true, "message/rfc822": true,
}
