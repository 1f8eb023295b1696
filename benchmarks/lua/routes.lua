-- Requests spread over a framework's routes. The argument after "--" is how many routes the application has.
dofile("summary.lua")

local COUNT = 1000
local prepared = {}
local turn = 0

function init(args)
  local routes = tonumber(args[1])
  for i = 1, COUNT do
    prepared[i] = wrk.format("GET", string.format("/section%d/item/%d", (i * 7919) % routes, i))
  end
end

function request()
  turn = turn % COUNT + 1
  return prepared[turn]
end
