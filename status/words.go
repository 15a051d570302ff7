package status

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
)

// language is one that the page speaks.
type language int

const (
	english language = iota
	indonesian
	numLanguages
)

var tags = [numLanguages]string{"en", "id"}

// Tag is the language's name in HTML.
func (l language) Tag() string { return tags[l] }

// languageOf returns the language that was asked for: by lang in the query, or else
// as the browser prefers.
func languageOf(r *asteri.Request, q url.Values) language {
	for l, tag := range tags {
		if q.Get("lang") == tag {
			return language(l)
		}
	}
	best, weight := english, 0.0
	for one := range bytes.SplitSeq(r.Header.Get("Accept-Language"), []byte(",")) {
		name, q := readRange(string(one))
		for l, tag := range tags {
			if (name == tag || strings.HasPrefix(name, tag+"-")) && q > weight {
				best, weight = language(l), q
			}
		}
	}
	return best
}

// readRange reads a language range and its weight (RFC 9110 section 12.5.4).
func readRange(s string) (name string, weight float64) {
	name, parameters, _ := strings.Cut(s, ";")
	weight = 1
	if q, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q="); ok {
		var err error
		if weight, err = strconv.ParseFloat(q, 64); err != nil {
			weight = 0
		}
	}
	return strings.ToLower(strings.TrimSpace(name)), weight
}

// say returns a text in the language.
func (l language) say(key string, args ...any) (string, error) {
	both, ok := words[key]
	if !ok {
		return "", fmt.Errorf("status: no words for %q", key)
	}
	if len(args) == 0 {
		return both[l], nil
	}
	return fmt.Sprintf(both[l], args...), nil
}

// number writes n with the language's separators, and so many digits behind the
// point.
func (l language) number(n float64, digits int) string {
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(n, 'f', digits, 64), ".")
	group, point := ",", "."
	if l == indonesian {
		group, point = ".", ","
	}
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(group)
		}
		b.WriteRune(digit)
	}
	if fraction != "" {
		b.WriteString(point + fraction)
	}
	return b.String()
}

// count takes any whole number.
func (l language) count(n any) string {
	f, err := strconv.ParseFloat(fmt.Sprint(n), 64)
	if err != nil {
		return "?"
	}
	return l.number(f, 0)
}

// rate is for numbers that may be small.
func (l language) rate(n float64) string {
	if n > 0 && n < 100 {
		return l.number(n, 1)
	}
	return l.number(n, 0)
}

func (l language) percent(share float64) string {
	digits := 0
	if share > 0 && share < 0.1 {
		digits = 1
	}
	return l.number(100*share, digits) + " %"
}

// size writes bytes in units of 1024.
func (l language) size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	digits := 0
	if i > 0 && f < 100 {
		digits = 1
	}
	return l.number(f, digits) + " " + units[i]
}

// span writes a time in seconds with as much detail as somebody cares for.
func (l language) span(s float64) string {
	d := time.Duration(s * float64(time.Second))
	day := [numLanguages]string{"d", "h"}[l]
	hour := [numLanguages]string{"h", "j"}[l]
	minute := [numLanguages]string{"min", "mnt"}[l]
	second := [numLanguages]string{"s", "d"}[l]
	switch {
	case s == 0:
		return "0 " + second
	case d < time.Millisecond:
		return l.number(s*1e3, 2) + " ms"
	case d < 10*time.Millisecond:
		return l.number(s*1e3, 1) + " ms"
	case d < time.Second:
		return l.number(s*1e3, 0) + " ms"
	case d < 10*time.Second:
		return l.number(s, 1) + " " + second
	case d < time.Minute:
		return l.number(s, 0) + " " + second
	case d < time.Hour:
		return fmt.Sprintf("%d %s %02d %s", int(d.Minutes()), minute, int(d.Seconds())%60, second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d %s %02d %s", int(d.Hours()), hour, int(d.Minutes())%60, minute)
	}
	return fmt.Sprintf("%d %s %02d %s", int(d.Hours())/24, day, int(d.Hours())%24, hour)
}

// words are the texts of the page, in English and Indonesian.
var words = map[string][numLanguages]string{
	"title":    {"Server status", "Status server"},
	"skip":     {"Skip to the content", "Langsung ke isi"},
	"language": {"Language", "Bahasa"},
	"live":     {"Live", "Langsung"},
	"paused":   {"Not live: reload for the latest", "Tidak langsung: muat ulang untuk yang terbaru"},
	"lost":     {"Connection lost, trying again", "Koneksi terputus, mencoba lagi"},
	"healthy":  {"Healthy", "Sehat"},
	"warning":  {"Needs attention", "Perlu perhatian"},
	"bad":      {"Not ready", "Tidak siap"},
	"up":       {"up %s, since %s", "aktif %s, sejak %s"},
	"demo":     {"the demonstration", "demonstrasi"},
	"noscript": {"Without JavaScript this page does not update itself.", "Tanpa JavaScript halaman ini tidak memperbarui diri."},

	"now":         {"Now", "Sekarang"},
	"rate":        {"Requests/s", "Permintaan/d"},
	"errorshare":  {"Errors (5xx)", "Galat (5xx)"},
	"p50":         {"Median", "Median"},
	"p95":         {"95th percentile", "Persentil ke-95"},
	"p99":         {"99th percentile", "Persentil ke-99"},
	"inflight":    {"In flight", "Berjalan"},
	"queue":       {"Waiting for a worker", "Menunggu pekerja"},
	"of":          {"of %s", "dari %s"},
	"connections": {"Connections", "Koneksi"},
	"busy":        {"Workers busy", "Pekerja sibuk"},
	"hostcpu":     {"Machine's CPU", "CPU mesin"},
	"hostmem":     {"Machine's memory used", "Memori mesin terpakai"},
	"load":        {"load %s", "beban %s"},
	"owncpu":      {"Server's CPU", "CPU server"},
	"ownmem":      {"Server's memory", "Memori server"},
	"window":      {"Rates and latencies are of the last %s.", "Laju dan latensi dari %s terakhir."},

	"history":    {"The last five minutes", "Lima menit terakhir"},
	"ratechart":  {"Requests of each second", "Permintaan tiap detik"},
	"latechart":  {"Latency", "Latensi"},
	"flychart":   {"Requests in flight", "Permintaan berjalan"},
	"chartlabel": {"%s over the last five minutes: now %s, at most %s", "%s selama lima menit terakhir: kini %s, tertinggi %s"},
	"lastsecond": {"in the last second", "pada detik terakhir"},
	"mean":       {"mean of %s", "rata-rata %s"},
	"atmost":     {"at most %s", "tertinggi %s"},
	"ofthem5xx":  {"with 5xx", "dengan 5xx"},

	"workers":   {"Workers", "Pekerja"},
	"scaling":   {"%s workers wanted, of %s to %s by the load; %s at work.", "%s pekerja diinginkan, dari %s sampai %s menurut beban; %s sedang bekerja."},
	"fixed":     {"An operator has chosen the number.", "Operator telah memilih jumlahnya."},
	"noworkers": {"This model runs handlers on the event loops and counts no workers.", "Model ini menjalankan handler di event loop dan tidak menghitung pekerja."},
	"pid":       {"PID", "PID"},
	"app":       {"Application", "Aplikasi"},
	"model":     {"Model", "Model"},
	"state":     {"State", "Keadaan"},
	"age":       {"Age", "Umur"},
	"served":    {"Answered", "Dijawab"},
	"sockets":   {"WebSockets", "WebSocket"},
	"cpu":       {"CPU", "CPU"},
	"memory":    {"Memory (RSS)", "Memori (RSS)"},
	"pss":       {"Share (PSS)", "Bagian (PSS)"},
	"lasterror": {"Last error", "Galat terakhir"},
	"recycling": {"Recycled in", "Didaur dalam"},
	"requests#": {"%s requests", "%s permintaan"},
	"actions":   {"Actions", "Tindakan"},
	"stack":     {"Stack", "Stack"},
	"stackof":   {"Stack of process %d", "Stack proses %d"},
	"restart":   {"Restart", "Mulai ulang"},
	"restartof": {"Restart worker %d now", "Mulai ulang pekerja %d sekarang"},
	"reload":    {"Reload", "Muat ulang"},
	"reloadnow": {"Reload settings and application now", "Muat ulang pengaturan dan aplikasi sekarang"},
	"scaleup":   {"One worker more", "Tambah satu pekerja"},
	"scaledown": {"One worker fewer", "Kurangi satu pekerja"},
	"sure":      {"Yes, now", "Ya, sekarang"},

	"STARTING":   {"starting", "memulai"},
	"IDLE":       {"idle", "menganggur"},
	"BUSY":       {"busy", "sibuk"},
	"DRAINING":   {"draining", "menuntaskan"},
	"RESTARTING": {"restarting", "diganti"},
	"RUNNING":    {"running", "berjalan"},
	"WAITING":    {"waiting", "menunggu"},

	"blame":     {"Memory by route", "Memori menurut rute"},
	"blamehint": {"By how much requests made workers grow since the last reload: all of them where a worker runs one at a time and they take a millisecond, else some, the rest estimated.", "Seberapa besar permintaan membuat pekerja tumbuh sejak muat ulang terakhir: semuanya bila pekerja menjalankan satu per satu dan lamanya satu milidetik, selain itu sebagian, sisanya perkiraan."},
	"noblame":   {"No worker has grown, or the system does not tell.", "Tidak ada pekerja yang tumbuh, atau sistem tidak memberitahukannya."},
	"route":     {"Route", "Rute"},
	"noroute":   {"no request known", "tanpa permintaan yang diketahui"},
	"grown":     {"Grown by", "Tumbuh"},
	"mostgrown": {"Most at once", "Terbesar sekali"},
	"measured":  {"Measured", "Diukur"},

	"flying":    {"Requests in flight", "Permintaan berjalan"},
	"noflying":  {"None.", "Tidak ada."},
	"oldestof":  {"The oldest %s of %s.", "%s tertua dari %s."},
	"method":    {"Method", "Metode"},
	"path":      {"Path", "Jalur"},
	"protocol":  {"Protocol", "Protokol"},
	"worker":    {"Worker", "Pekerja"},
	"filter":    {"Filter", "Saring"},
	"contains":  {"Path, method or worker contains", "Jalur, metode atau pekerja memuat"},
	"olderthan": {"Older than (seconds)", "Lebih tua dari (detik)"},

	"errors":    {"Recent errors", "Galat terbaru"},
	"times":     {"%s times", "%s kali"},
	"firstseen": {"The first of them: %s", "Yang pertama: %s"},
	"noerrors":  {"None since the start.", "Tidak ada sejak mulai."},
	"time":      {"Time (UTC)", "Waktu (UTC)"},
	"message":   {"Message", "Pesan"},
	"details":   {"Details", "Rincian"},

	"traffic":   {"Traffic", "Lalu lintas"},
	"kind":      {"Kind", "Jenis"},
	"all":       {"All", "Semua"},
	"none":      {"no answer", "tanpa jawaban"},
	"total":     {"Since the start", "Sejak mulai"},
	"bytesin":   {"Received", "Diterima"},
	"bytesout":  {"Sent", "Dikirim"},
	"tls":       {"Encryption", "Enkripsi"},
	"plain":     {"none (plain)", "tanpa (polos)"},
	"requests":  {"Requests", "Permintaan"},
	"open":      {"Open", "Terbuka"},
	"opened":    {"Opened", "Dibuka"},
	"msgin":     {"Messages received", "Pesan diterima"},
	"msgout":    {"Messages sent", "Pesan dikirim"},
	"wsfailed":  {"Failed", "Gagal"},
	"refusals":  {"Refused connections", "Koneksi ditolak"},
	"reason":    {"Reason", "Alasan"},
	"handshake": {"TLS handshakes under way", "Jabat tangan TLS berlangsung"},
	"buffers":   {"Memory in buffers", "Memori penyangga"},

	"certificates": {"Certificates", "Sertifikat"},
	"certificate":  {"Certificate", "Sertifikat"},
	"validuntil":   {"Valid until (UTC)", "Berlaku hingga (UTC)"},

	"loops":    {"Event loops", "Event loop"},
	"loop":     {"Loop", "Loop"},
	"active":   {"Active", "Aktif"},
	"yes":      {"yes", "ya"},
	"no":       {"no", "tidak"},
	"accepted": {"Accepted", "Diterima"},
	"ticks":    {"Rounds", "Putaran"},
	"lag":      {"Lag", "Jeda"},
	"panics":   {"Panics", "Panik"},

	"log":     {"Log", "Log"},
	"level":   {"Level", "Tingkat"},
	"atleast": {"At least", "Minimal"},
	"source":  {"Source", "Sumber"},
	"any":     {"any", "semua"},
	"server":  {"server", "server"},
	"access":  {"requests", "permintaan"},
	"text":    {"Text", "Teks"},
	"show":    {"Show", "Tampilkan"},
	"follow":  {"New records appear as they come.", "Catatan baru muncul begitu datang."},

	"config":  {"Configuration", "Konfigurasi"},
	"setting": {"Setting", "Pengaturan"},
	"value":   {"Value", "Nilai"},
	"origin":  {"From", "Dari"},
	"mounts":  {"Mounts", "Mount"},
	"at":      {"At", "Di"},

	"signin":   {"Sign in", "Masuk"},
	"signhint": {"Requests in flight, the log, configuration and actions need the token. The server's start-up message says where it is.", "Permintaan berjalan, log, konfigurasi, dan tindakan memerlukan token. Pesan awal server menyebut tempatnya."},
	"token":    {"Token", "Token"},

	needsNear:  {"This is for clients on this machine, or with the token.", "Ini untuk klien di mesin ini, atau dengan token."},
	needsToken: {"This needs the token.", "Ini memerlukan token."},
	needsField: {"This needs the field X-Asteri-Action: 1.", "Ini memerlukan kolom X-Asteri-Action: 1."},

	"done.reload":     {"The reload has begun.", "Muat ulang dimulai."},
	"done.scale-up":   {"A worker is being added.", "Satu pekerja ditambahkan."},
	"done.scale-down": {"A worker is being taken away.", "Satu pekerja dikurangi."},
	"done.restart":    {"The worker is being replaced.", "Pekerja sedang diganti."},

	"problem.unready":  {"The server is not ready: %s.", "Server tidak siap: %s."},
	"problem.app":      {"%s answers 503: %s cannot be started, and is tried again.", "%s menjawab 503: %s tidak dapat dijalankan, dan dicoba lagi."},
	"problem.queue":    {"%s of %s places for waiting requests are taken.", "%s dari %s tempat antrean terisi."},
	"problem.errors":   {"%s of the answers are errors (5xx).", "%s jawaban adalah galat (5xx)."},
	"problem.lag":      {"Loop %d lags behind by %s: something blocks it.", "Loop %d tertinggal %s: ada yang menghalanginya."},
	"problem.expired":  {"The certificate of %s has expired (%s UTC): clients refuse it.", "Sertifikat %s kedaluwarsa (%s UTC): klien menolaknya."},
	"problem.expires":  {"The certificate of %s expires in %s.", "Sertifikat %s kedaluwarsa dalam %s."},
	"problem.busy":     {"All %s workers are busy, and requests wait.", "Semua %s pekerja sibuk, dan permintaan menunggu."},
	"problem.restarts": {"Workers being replaced: %s.", "Pekerja yang sedang diganti: %s."},
	"problem.old":      {"A request has been in flight for %s: %s %s.", "Satu permintaan sudah berjalan %s: %s %s."},
	"problem.log":      {"Errors logged in the last five minutes: %s, the latest %s ago.", "Galat tercatat dalam lima menit terakhir: %s, yang terbaru %s lalu."},
	"problem.memory":   {"The machine has %s of memory left.", "Mesin tinggal memiliki memori %s."},
	"problem.load":     {"The machine's load, %s, is more than twice its %s processors.", "Beban mesin, %s, lebih dari dua kali %s prosesornya."},
}

// stamp writes a time to the second.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
