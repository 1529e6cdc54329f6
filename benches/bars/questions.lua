-- Requests with random keys: QUESTION names what is asked for. See benches/bars/queries.py.
local env = os.getenv
local QUESTION, PROVINCES, UNITS = env("QUESTION"), tonumber(env("PROVINCES")), tonumber(env("UNITS"))
local FIELDS = env("FIELDS") and env("FIELDS") ~= "" and "&fields=" .. env("FIELDS") or ""
local RATE = "ioffice.documents.signed_rate"
local INDICATORS = {}
for code in (env("INDICATORS") or ""):gmatch("%S+") do INDICATORS[#INDICATORS + 1] = code end

local urandom = io.open("/dev/urandom", "rb")
local a, b, c, d = urandom:read(4):byte(1, 4)
urandom:close()
math.randomseed(a + b * 256 + c * 65536 + d % 64 * 16777216)
for _ = 1, 10 do math.random() end

-- Months count from 0 (2021-01) to 59 (2025-12).
local function month(n) return string.format("%04d-%02d", 2021 + math.floor(n / 12), n % 12 + 1) end
local function province() return string.format("gen.p%02d", math.random(PROVINCES)) end
local function unit() return string.format("%s.u%03d", province(), math.random(UNITS)) end

local everyone = {}
for n = 1, PROVINCES or 0 do everyone[n] = string.format("&unit=gen.p%02d", n) end
everyone = table.concat(everyone)

local paths = {
  -- A unit's indicator, 60 months.
  Q1 = function()
    return "/api/v1/series?measure=" .. INDICATORS[math.random(#INDICATORS)] .. "&unit=" .. unit()
      .. "&from=2021-01&to=2025-12" .. FIELDS
  end,
  -- A province's rate rolled up from its units, 60 months.
  Q2 = function()
    return "/api/v1/series?measure=" .. RATE .. "&unit=" .. province() .. "&from=2021-01&to=2025-12" .. FIELDS
  end,
  -- The ranking of the units of a province in a month.
  Q3 = function()
    return "/api/v1/ranking?measure=" .. RATE .. "&parent=" .. province() .. "&period=" .. month(math.random(12, 59)) .. FIELDS
  end,
  -- All provinces, 13 months.
  Q4 = function()
    local first = math.random(12, 47)
    return "/api/v1/series?measure=" .. RATE .. everyone .. "&from=" .. month(first) .. "&to=" .. month(first + 12) .. FIELDS
  end,
  livez = function() return "/livez" end,
  overview = function()
    return "/overview?unit=" .. province() .. "&period=" .. month(math.random(24, 59))
  end,
}
local path, etag = paths[QUESTION], env("ETAG")
local headers = etag and etag ~= "" and { ["If-None-Match"] = etag } or {}

-- With SAMPLE only that many paths are printed, one a line.
if env("SAMPLE") and env("SAMPLE") ~= "" then
  for _ = 1, tonumber(env("SAMPLE")) do print(path()) end
end

function request() return wrk.format("GET", path(), headers) end

dofile(env("BARS") .. "/done.lua")
