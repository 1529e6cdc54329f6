-- The result of a run of wrk, as one line of JSON.
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"rate":%.3f,"p50":%.4f,"p99":%.4f,"bad":%d,"size":%.1f}\n', summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, e.connect + e.read + e.write + e.status + e.timeout,
    summary.bytes / math.max(1, summary.requests)))
end
