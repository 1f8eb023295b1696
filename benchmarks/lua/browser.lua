-- What a browser sends: twelve headers, with a path and a cookie that differ from request to request.
-- All requests are prepared before the clock starts; while it runs, one table look-up is all that Lua does.
-- The argument after "--", if there is one, is the beginning of the path.
dofile("summary.lua")

local COUNT = 8192
local prepared = {}
local turn = 0

function init(args)
  local host = wrk.host .. ":" .. wrk.port
  local start = args[1] or "/catalogue/item-"
  for i = 1, COUNT do
    prepared[i] = table.concat({
      string.format("GET %s%d?page=%d&sort=price HTTP/1.1", start, i, i % 17),
      "Host: " .. host,
      "Connection: keep-alive",
      "Cache-Control: max-age=0",
      'Sec-CH-UA: "Chromium";v="128", "Not;A=Brand";v="24"',
      "Upgrade-Insecure-Requests: 1",
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
      "Sec-Fetch-Mode: navigate",
      "Referer: http://" .. host .. "/catalogue",
      "Accept-Encoding: gzip, deflate, br, zstd",
      "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
      string.format("Cookie: session=%08x%08x; theme=dark; seen=%d", i * 2654435761 % 4294967296, i * 40503, i),
      "", "" }, "\r\n")
  end
end

function request()
  turn = turn % COUNT + 1
  return prepared[turn]
end
