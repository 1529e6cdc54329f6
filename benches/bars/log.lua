-- The submissions of the log with group commit, in its own request format: 20 figures each.
local CODES = { "documents.incoming", "documents.outgoing", "documents.signed", "documents.electronic", "dossiers.received", "dossiers.online",
  "dossiers.in_person", "dossiers.resolved", "dossiers.on_time", "dossiers.overdue", "services.level3", "services.level4", "payments.total",
  "payments.online", "accounts.total", "accounts.active", "staff.total", "staff.certificates", "meetings.total", "meetings.online" }
local headers, turn = { ["Content-Type"] = "application/json" }, 0

function request()
  turn = turn + 1
  local values = {}
  for n, code in ipairs(CODES) do values[n] = '"' .. code .. '":' .. math.random(5000) end
  return wrk.format("POST", "/submit", headers, string.format('{"unit":"p01.u%03d","period":"2026-%02d","values":{%s}}', turn % 180 + 1,
    math.floor(turn / 180) % 12 + 1, table.concat(values, ",")))
end

dofile(os.getenv("BARS") .. "/done.lua")
