-- Each request is the next session's: the file that COOKIES names has a cookie a line.
local requests, last = {}, 0

function init()
  for cookie in io.lines(os.getenv("COOKIES")) do
    requests[#requests + 1] = wrk.format("GET", nil, { Cookie = cookie })
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end
