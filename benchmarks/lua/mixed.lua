-- Every 20th request goes to the path whose application call blocks for ten milliseconds.
dofile("summary.lua")

local quick, slow
local turn = 0

function init(args)
  quick = wrk.format("GET", "/quick")
  slow = wrk.format("GET", "/slow")
end

function request()
  turn = turn + 1
  if turn == 20 then
    turn = 0
    return slow
  end
  return quick
end
