-- Each request has 20 figures of one unit and month. Units take turns, so that figures are new. The
-- figures contradict no rule. PROVINCES and UNITS give the units, FIRST_YEAR the first month.
local FLOWS = { "igate.services.provided", "dvcqg.procedures.published", "conference.jitsi.sessions", "web.items.published", "petitions.received",
  "complaints.received", "denunciations.received", "press.guidance_documents.issued" }
local PROVINCES, UNITS = tonumber(os.getenv("PROVINCES")), tonumber(os.getenv("UNITS"))
local FIRST_YEAR, MONTHS = tonumber(os.getenv("FIRST_YEAR")), tonumber(os.getenv("MONTHS"))
local urandom = io.open("/dev/urandom", "rb")
local a, b, c = urandom:read(3):byte(1, 3)
urandom:close()
math.randomseed(a + b * 256 + c * 65536)
local turn = math.random(0, PROVINCES * UNITS * MONTHS - 1)

wrk.method = "POST"
wrk.path = "/api/v1/observations"
wrk.headers["Content-Type"] = "application/json"

function request()
  turn = turn + 1
  local unit = string.format("gen.p%02d.u%03d", math.floor(turn / UNITS) % PROVINCES + 1, turn % UNITS + 1)
  local month = math.floor(turn / (PROVINCES * UNITS)) % MONTHS
  local period = string.format("%04d-%02d", FIRST_YEAR + math.floor(month / 12), month % 12 + 1)
  local figures = {}
  local function say(code, value)
    figures[#figures + 1] = string.format('{"indicator":"%s","unit":"%s","period":"%s","value":%d}', code, unit, period, value)
  end
  local random = math.random(10000)
  -- Stocks do not change: everything received is resolved, nothing is created.
  for _, code in ipairs({ "ioffice.users", "pki.certificates", "mail.mailboxes" }) do
    say(code .. (code == "pki.certificates" and ".issued" or ".created"), 0)
    say(code .. ".total", 7400)
  end
  say("igate.dossiers.received", random)
  say("igate.dossiers.resolved", random)
  say("igate.dossiers.backlog", 120)
  say("ioffice.documents.outgoing", 10000 + random)
  say("ioffice.documents.signed", random)
  say("petitions.answered", 0)
  for _, code in ipairs(FLOWS) do say(code, math.random(100000)) end
  return wrk.format(nil, nil, nil, '{"observations":[' .. table.concat(figures, ",") .. "]}")
end

dofile(os.getenv("BARS") .. "/done.lua")
