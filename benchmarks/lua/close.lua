-- A connection for every request.
dofile("summary.lua")
wrk.headers["Connection"] = "close"
