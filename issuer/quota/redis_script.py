"""What runs inside Redis: a charge, a refund, and the marks by which it is known that nothing was lost.

Everything about one account in one period is one hash, `quota:{<x>}:<its keyed hash, hex>`: its tally
(`issuer.quota.tally`) and, for each request that was paid for, `<tokens> <repeats>`. So a charge
touches one key, and EXPIREAT drops all of it together. It never lives without: both are written in one
script. A record that is dead by the server's clock is refused, as it would be gone as soon as it is written.

`<x>` is the first digit of the keyed hash. It divides the accounts into sixteen parts, each in one slot of
Redis Cluster, and each with a mark, `quota:{<x>}:about`: which key the hashes were made with, and the newest
moment on the clocks of the issuers and of the server. The marks of the parts that are charged go with every
batch, in the same round trip; what is charged beside a mark that refuses is not answered.

What a mark proves holds for the records of its own part: that whoever keeps them has not lost them, and has
not dropped a period that would be counted anew. Mark and records are in one slot, hence on one node, in the
same append-only file, and they move together when slots move: no reshard makes a false alarm, and of a
node that comes back empty exactly its parts are refused. A mark for each master, in whatever slot it has,
would get lost when that slot moves; one for the whole cluster would vouch for nodes that it is not on.

While a slot moves, its mark may be on one node already and a record still on the other: each is found where
it is (ASK), for each is a call of its own. A slot that is given to another node without its content, since
its own was lost for good, has lost its mark, too: docs/issuer.md says what the operator does then.
"""

from issuer.quota.claims import MAX_REPEATS, Claim
from issuer.quota.tally import DAY, WINDOW, burst_credit
from tacita.service.redis.scripts import Script, ScriptCall

__all__ = [
    "CLOCK",
    "DEAD",
    "EXHAUSTED",
    "FOREIGN",
    "FRESH",
    "KEPT",
    "LOST",
    "MARKS",
    "REPEATED",
    "SKEW",
    "charge_call",
    "mark_call",
    "mark_of",
    "name_of",
    "refund_call",
]

SKEW = 10_000
"""Milliseconds by which clocks may differ; time servers keep them within a few."""

_KEEP = 60
"""Seconds that a record outlives its period: longer than an issuer that is behind may still count in it."""

KEPT, LOST, FOREIGN, CLOCK = b"kept", b"lost", b"foreign", b"clock"
"""Answers of a mark: as it should be; not there; of another hash key; a clock was set back."""

FRESH, REPEATED, EXHAUSTED, DEAD = b"fresh", b"repeated", b"exhausted", b"dead"
"""Answers to a charge. A refusal is the five numbers of the tally that it was refused on."""

MARKS = tuple(b"quota:{%x}:about" % part for part in range(16))
"""The name of the mark of each part."""

_MARK = Script(b"""
local check, oldest, newest, skew = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local server = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'check', 'issuers', 'server')
if not known[1] then
  if ARGV[5] ~= '1' then return 'lost' end
elseif known[1] ~= check then
  return 'foreign'
end
local issuers, servers = tonumber(known[2] or 0), tonumber(known[3] or 0)
if oldest + skew < issuers or server + skew < servers then return 'clock' end
-- Once a second will do: the rest is well within the skew.
if not known[1] or newest >= issuers + 1000 or server >= servers + 1000 then
  redis.call('HSET', KEYS[1], 'check', check, 'issuers', string.format('%.0f', math.max(issuers, newest)),
    'server', string.format('%.0f', math.max(servers, server)))
end
return 'kept'
""")

_CHARGE = Script(
    b"""
local record, request, now, expires = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local tokens, limit, per_day, burst =
  tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if tonumber(redis.call('TIME')[1]) >= expires then return 'dead' end
local known = redis.call('HMGET', record, request, 'tokens', 'day', 'day_tokens', 'used', 'at')
if known[1] then
  local paid, repeats = string.match(known[1], '^(%d+) (%d+)$')
  if tonumber(repeats) >= MAX_REPEATS then return 'exhausted' end
  redis.call('HSET', record, request, paid .. ' ' .. (repeats + 1))
  return 'repeated'
end
local total, old_day, day_tokens = tonumber(known[2] or 0), tonumber(known[3] or 0), tonumber(known[4] or 0)
local used, at = tonumber(known[5] or 0), tonumber(known[6] or 0)
local refused = string.format('%.0f %.0f %.0f %.0f %.0f', total, old_day, day_tokens, used, at)
if total + tokens > limit then return refused end
local day = math.max(old_day, math.floor(now / DAY))
if day ~= old_day then day_tokens = 0 end
if per_day > 0 and day_tokens + tokens > per_day then return refused end
if burst > 0 then
  local later = math.max(at, now)
  used = math.max(0, used - (later - at) * burst)
  at = later
  if used + tokens * WINDOW > burst * WINDOW then return refused end
  used = used + tokens * WINDOW
end
redis.call('HSET', record, request, tokens .. ' 0', 'tokens', string.format('%.0f', total + tokens),
  'day', string.format('%.0f', day), 'day_tokens', string.format('%.0f', day_tokens + tokens),
  'used', string.format('%.0f', used), 'at', string.format('%.0f', at))
if redis.call('EXPIRETIME', record) < expires then redis.call('EXPIREAT', record, ARGV[3]) end
return 'fresh'
""".replace(b"MAX_REPEATS", b"%d" % MAX_REPEATS)
    .replace(b"DAY", b"%d" % DAY)
    .replace(b"WINDOW", b"%d" % WINDOW)
)

_REFUND = Script(b"""
local record, request, tokens = KEYS[1], ARGV[1], tonumber(ARGV[2])
local known = redis.call('HMGET', record, request, 'day', 'used')
if not known[1] or string.match(known[1], ' (%d+)$') ~= '0' then return 'stands' end
redis.call('HDEL', record, request)
redis.call('HINCRBY', record, 'tokens', -tokens)
if known[2] == ARGV[3] then redis.call('HINCRBY', record, 'day_tokens', -tokens) end
redis.call('HSET', record, 'used', string.format('%.0f', math.max(0, known[3] - ARGV[4])))
return 'refunded'
""")


def name_of(claim: Claim) -> bytes:
    """Return the name of the record that `claim` is counted in."""
    name = claim.account.hex().encode()
    return b"quota:{%b}:%b" % (name[:1], name)


def mark_of(claim: Claim) -> bytes:
    """Return the name of the mark of the part that `claim` is counted in."""
    return MARKS[claim.account[0] >> 4]


def mark_call(mark: bytes, key_check: bytes, oldest: int, newest: int, *, create: bool) -> ScriptCall:
    """Return the call that notices the moments from `oldest` to `newest` (UNIX milliseconds) in `mark`.

    It answers `KEPT`, `FOREIGN`, `CLOCK`, or `LOST` where there is no mark and none to `create`.
    """
    return _MARK.call([mark], [key_check.hex().encode(), oldest, newest, SKEW, int(create)])


def charge_call(claim: Claim) -> ScriptCall:
    """Return the call that charges `claim`."""
    tier = claim.tier
    return _CHARGE.call(
        [name_of(claim)],
        [
            claim.request,
            claim.at,
            claim.period.end + _KEEP,
            claim.tokens,
            tier.tokens,
            tier.per_day or 0,
            tier.burst or 0,
        ],
    )


def refund_call(claim: Claim, now: int) -> ScriptCall:
    """Return the call that takes `claim` back at the UNIX millisecond `now`, unless it was granted again."""
    return _REFUND.call(
        [name_of(claim)], [claim.request, claim.tokens, claim.at // DAY, burst_credit(claim, now)]
    )
