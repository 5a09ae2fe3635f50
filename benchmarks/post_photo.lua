-- wrk's script: posts one body again and again and prints one line of JSON at the end.
-- wrk ... -s post_photo.lua URL -- FILE CONTENT_TYPE FROM UNTIL
-- Answers between FROM and UNTIL (seconds since the epoch) are counted: not while the service fills up with requests.
local ffi = require("ffi")
ffi.cdef [[
  struct moment { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct moment *now);
]]
local moment = ffi.new("struct moment")
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  wrk.headers["Content-Type"] = args[2]
  file:close()
  from, till = tonumber(args[3]), tonumber(args[4])
  good, bad = 0, 0
end

function response(status)
  ffi.C.clock_gettime(0, moment)
  local now = tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
  if now < from or now >= till then return end
  if status < 400 then good = good + 1 else bad = bad + 1 end
end

function done(summary, latency, requests)
  local good, bad = 0, 0
  for _, thread in ipairs(threads) do
    good, bad = good + thread:get("good"), bad + thread:get("bad")
  end
  local errors = summary.errors
  bad = bad + errors.timeout + errors.connect + errors.read + errors.write
  print(string.format(
    '{"answers": %d, "failed": %d, "p50": %.3f, "p95": %.3f, "p99": %.3f}',
    good, bad, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
