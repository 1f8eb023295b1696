-- The same GET again and again; wrk sends one prepared buffer.
dofile("summary.lua")
