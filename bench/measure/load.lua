-- Sends prepared requests, one a line: a token, a tab, a JSON body. Where a body has twelve @, each time a new number.
local requests = {}
local index = 0
local number = 0
local unique = string.rep('@', 12)

local function split(raw)
  local parts = {}
  local from = 1
  while true do
    local first, last = raw:find(unique, from, true)
    if not first then break end
    parts[#parts + 1] = raw:sub(from, first - 1)
    from = last + 1
  end
  if #parts == 0 then return raw end
  parts[#parts + 1] = raw:sub(from)
  return parts
end

-- Looking into every answer costs the generator time, so it is done while warming up; afterwards the size must be the same.
local refused = 0
local function check(status, _, body)
  if status ~= 200 or body:find('"errors":', 1, true) then
    refused = refused + 1
    if refused == 1 then io.write('\nREFUSED ', status, ' ', body:sub(1, 500), '\n') end
  end
end

function init(args)
  number = tonumber(args[2])
  if args[3] == 'checked' then response = check end
  for line in io.lines(args[1]) do
    local token, body = line:match('^(%S+)\t(.*)$')
    local headers = {
      ['Host'] = wrk.headers['Host'],
      ['Authorization'] = 'Bearer ' .. token,
      ['Content-Type'] = 'application/json',
      ['Accept'] = 'application/json',
    }
    requests[#requests + 1] = split(wrk.format('POST', '/graphql', headers, body))
  end
end

function request()
  index = index % #requests + 1
  local prepared = requests[index]
  if type(prepared) == 'string' then return prepared end
  number = number + 1
  return table.concat(prepared, string.format('%012d', number))
end

function done(summary, latency)
  io.write(string.format(
    '\nRESULT {"requests":%d,"micros":%d,"bytes":%d,"failed":%d,"p50":%d,"p99":%d,"max":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
