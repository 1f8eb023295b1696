-- POST 1 MiB; wrk prepares the request once.
dofile("summary.lua")
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.body = string.rep("x", 1048576)
