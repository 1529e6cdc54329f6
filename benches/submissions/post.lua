-- One unit's month of 20 figures a request, units in turn, so that most figures are new ones.
local CODES = { "ioffice.documents.outgoing", "ioffice.documents.signed", "ioffice.users.created", "ioffice.users.total",
  "pki.certificates.issued", "pki.certificates.total", "mail.mailboxes.created", "mail.mailboxes.total", "igate.dossiers.received",
  "igate.dossiers.resolved", "igate.dossiers.backlog", "igate.services.provided", "dvcqg.procedures.published",
  "conference.jitsi.sessions", "web.items.published", "petitions.received", "petitions.answered", "complaints.received",
  "denunciations.received", "press.guidance_documents.issued" }
local urandom = io.open("/dev/urandom", "rb")
local a, b, c = urandom:read(3):byte(1, 3)
urandom:close()
math.randomseed(a + b * 256 + c * 65536)
local turn = math.random(0, 180 * 60 - 1)

wrk.method = "POST"
wrk.path = "/api/v1/observations"
wrk.headers["Content-Type"] = "application/json"

function request()
  turn = turn + 1
  local unit = string.format("gen.p01.u%03d", turn % 180 + 1)
  local month = math.floor(turn / 180) % 60
  local period = string.format("%04d-%02d", 2021 + math.floor(month / 12), month % 12 + 1)
  local figures = {}
  for i, code in ipairs(CODES) do
    figures[i] = string.format('{"indicator":"%s","unit":"%s","period":"%s","value":%d}', code, unit, period, math.random(100000))
  end
  return wrk.format(nil, nil, nil, '{"observations":[' .. table.concat(figures, ",") .. "]}")
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("%.0f %.2f %.2f %d\n", summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, e.connect + e.read + e.write + e.status + e.timeout))
end
