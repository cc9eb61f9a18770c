-- All that is done to the outbox in Redis. One run of this script is one transaction: Redis does
-- nothing else meanwhile, and replicates and logs what it changed as a whole.
--
-- KEYS[1] is the prefix of every key; ARGV is the command and its arguments.
--   calls      stream of the waiting calls, id-0: provider, person, ..., queued
--   refused    stream of the calls set apart: as calls, then attempts, reason
--   line:...   list for each person of each provider: ids of the waiting calls, oldest first
--   due:...    sorted set for each provider: the first id of each line, by when it may be claimed
--   providers  set of those with waiting calls
--   counts     hash by provider: how many calls wait
--   attempts, reasons  hashes by id, of the calls that were tried
--   last       the id given last; version, of this layout

local VERSION = '1'
local PREFIX = KEYS[1] .. ':'
local CALLS, REFUSED, PROVIDERS = PREFIX .. 'calls', PREFIX .. 'refused', PREFIX .. 'providers'
local ATTEMPTS, REASONS, LAST = PREFIX .. 'attempts', PREFIX .. 'reasons', PREFIX .. 'last'
local COUNTS = PREFIX .. 'counts'

local commands = {}

local function line_of(call)
  return PREFIX .. 'line:' .. #call.provider .. ':' .. call.provider .. ':' .. call.person
end

local function due_of(provider)
  return PREFIX .. 'due:' .. provider
end

-- Counted from the time of day: even if Redis lost everything, no id is given twice. All have 16
-- digits, so that the sorted sets order those due at the same time by age.
local function next_id()
  if redis.call('EXISTS', LAST) == 0 then
    local time = redis.call('TIME')
    redis.call('SET', LAST, time[1] .. string.format('%06d', time[2]))
  end
  return string.format('%.0f', redis.call('INCR', LAST))
end

-- The fields as they stand in the stream, and by name; nil if there is no such id.
local function read(stream, id)
  if not id:match('^%d+$') or #id > 16 then return nil end
  local found = redis.call('XRANGE', stream, id .. '-0', id .. '-0')[1]
  if not found then return nil end
  local call = {}
  for at = 1, #found[2], 2 do call[found[2][at]] = found[2][at + 1] end
  return found[2], call
end

local function append(call)
  local id = next_id()
  redis.call('XADD', CALLS, id .. '-0', 'provider', call.provider, 'person', call.person, 'method',
    call.method, 'url', call.url, 'headers', call.headers, 'body', call.body, 'queued', call.queued)
  redis.call('HINCRBY', COUNTS, call.provider, 1)
  if redis.call('RPUSH', line_of(call), id) == 1 then
    redis.call('ZADD', due_of(call.provider), call.queued, id)
    redis.call('SADD', PROVIDERS, call.provider)
  end
end

local function promote(call)
  local id = redis.call('LINDEX', line_of(call), 0)
  if id then
    local _, first = read(CALLS, id)
    redis.call('ZADD', due_of(call.provider), first.queued, id)
  elseif redis.call('EXISTS', due_of(call.provider)) == 0 then
    redis.call('SREM', PROVIDERS, call.provider)
    redis.call('HDEL', COUNTS, call.provider)
  end
end

local function remove(id, call)
  redis.call('XDEL', CALLS, id .. '-0')
  redis.call('HDEL', ATTEMPTS, id)
  redis.call('HDEL', REASONS, id)
  redis.call('HINCRBY', COUNTS, call.provider, -1)
  redis.call('LREM', line_of(call), 1, id)
  if redis.call('ZREM', due_of(call.provider), id) == 1 then promote(call) end
end

-- A full Redis refuses what needs memory until a script has written something. Moving is thus
-- removing and adding: what is there can still be delivered, and makes room.
local function move(id, provider, due)
  redis.call('ZREM', due_of(provider), id)
  redis.call('ZADD', due_of(provider), due, id)
end

-- The lists at the end of ARGV are read from there: as parameters they would overflow Lua's stack.

function commands.put(queued)
  redis.call('SET', PREFIX .. 'version', VERSION)
  for at = 3, #ARGV, 6 do
    append({provider = ARGV[at], person = ARGV[at + 1], method = ARGV[at + 2], url = ARGV[at + 3],
      headers = ARGV[at + 4], body = ARGV[at + 5], queued = queued})
  end
end

function commands.next_due()
  local due = {}
  for _, provider in ipairs(redis.call('SMEMBERS', PROVIDERS)) do
    local first = redis.call('ZRANGE', due_of(provider), 0, 0, 'WITHSCORES')
    table.insert(due, {provider, first[2]})
  end
  return due
end

local function due_calls(provider, now, limit)
  local due = {}
  local found = redis.call('ZRANGEBYSCORE', due_of(provider), '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  for at = 1, #found, 2 do
    table.insert(due, {id = found[at], due = tonumber(found[at + 1]), provider = provider})
  end
  return due
end

local function longest_due_first(one, other)
  if one.due ~= other.due then return one.due < other.due end
  return one.id < other.id
end

function commands.claim(limit, now, lease_until, provider)
  local providers, due, lent = {provider}, {}, {}
  if not provider then providers = redis.call('SMEMBERS', PROVIDERS) end
  for _, name in ipairs(providers) do
    for _, call in ipairs(due_calls(name, now, limit)) do table.insert(due, call) end
  end
  table.sort(due, longest_due_first)
  for at = 1, math.min(tonumber(limit), #due) do
    local id = due[at].id
    move(id, due[at].provider, lease_until)
    table.insert(lent, {id, redis.call('HINCRBY', ATTEMPTS, id, 1), (read(CALLS, id))})
  end
  return lent
end

function commands.done()
  for at = 2, #ARGV do
    local _, call = read(CALLS, ARGV[at])
    if call then remove(ARGV[at], call) end
  end
end

function commands.fail(retry_at, reason)
  for at = 4, #ARGV do
    local id = ARGV[at]
    local _, call = read(CALLS, id)
    if call and redis.call('ZSCORE', due_of(call.provider), id) then
      move(id, call.provider, retry_at)
      redis.call('HSET', REASONS, id, reason)
    end
  end
end

function commands.set_apart(id, reason)
  local fields, call = read(CALLS, id)
  if not call then return end
  local attempts = redis.call('HGET', ATTEMPTS, id) or '0'
  remove(id, call)
  for _, added in ipairs({'attempts', attempts, 'reason', reason}) do table.insert(fields, added) end
  redis.call('XADD', REFUSED, next_id() .. '-0', unpack(fields))
end

function commands.refused(limit)
  return redis.call('XRANGE', REFUSED, '-', '+', 'COUNT', limit)
end

function commands.replay(queued)
  local found = 0
  for at = 3, #ARGV do
    local id = ARGV[at]
    local _, call = read(REFUSED, id)
    if call then
      found = found + redis.call('XDEL', REFUSED, id .. '-0')
      call.queued = queued
      append(call)
    end
  end
  return found
end

local function forget_line(line)
  local ids = redis.call('LRANGE', line, 0, -1)
  for at = #ids, 1, -1 do
    local _, call = read(CALLS, ids[at])
    remove(ids[at], call)
  end
  return #ids
end

local function forget_refused(person)
  local found, start = 0, '-'
  repeat
    local entries = redis.call('XRANGE', REFUSED, start, '+', 'COUNT', 1000)
    for _, entry in ipairs(entries) do
      if entry[2][4] == person then found = found + redis.call('XDEL', REFUSED, entry[1]) end
      start = '(' .. entry[1]
    end
  until #entries == 0
  return found
end

function commands.forget(person)
  local found = forget_refused(person)
  for _, provider in ipairs(redis.call('SMEMBERS', PROVIDERS)) do
    found = found + forget_line(line_of({provider = provider, person = person}))
  end
  return found
end

function commands.backlog()
  local rows = {}
  for _, provider in ipairs(redis.call('SMEMBERS', PROVIDERS)) do
    local first = redis.call('ZRANGE', due_of(provider), 0, 0, 'WITHSCORES')
    local calls = tonumber(redis.call('HGET', COUNTS, provider))
    local reason = redis.call('HGET', REASONS, first[1]) or ''
    table.insert(rows, {provider, calls, redis.call('ZCARD', due_of(provider)), first[2], reason})
  end
  return rows
end

-- Redis's, whoever else uses it; a hosted one may not tell.
local function fullness()
  local memory = redis.pcall('INFO', 'memory')
  if type(memory) ~= 'string' then return '0' end
  local used, most = tonumber(memory:match('used_memory:(%d+)')), tonumber(memory:match('maxmemory:(%d+)'))
  return used and most and most > 0 and tostring(used / most) or '0'
end

function commands.stats()
  local first = redis.call('XRANGE', CALLS, '-', '+', 'COUNT', 1)[1]
  return {redis.call('XLEN', CALLS), redis.call('XLEN', REFUSED), first and first[2][14] or false, fullness()}
end

local version = redis.call('GET', PREFIX .. 'version')
if version and version ~= VERSION then
  return redis.error_reply('ERR its layout is version ' .. version .. '; this kmproxy knows version '
    .. VERSION .. ' only')
end
return commands[ARGV[1]](unpack(ARGV, 2, 5))
