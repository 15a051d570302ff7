-- Reports a load as one line of JSON, and pipelines: wrk ... -- DEPTH
-- With a depth of 1 the request stays static, so that Lua costs nothing.

function init(args)
  local depth = tonumber(args[1] or "1")
  if depth == 1 then
    return
  end
  local one, all = wrk.format(), {}
  for i = 1, depth do
    all[i] = one
  end
  local batch = table.concat(all)
  request = function()
    return batch
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, e.status, e.connect, e.read, e.write, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
