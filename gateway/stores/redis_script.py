"""What runs inside Redis: one script call makes a batch of calls.

Entries are hash fields (`nonce` -> `entry`, see `gateway.stores.calls`). An issuer key has
256 hashes, `spent:{<key id, hex>:<first byte of the nonce, hex>}`: none becomes so large that its expiry
stops the server. The braces are Redis Cluster's hash tag. The shard is inside them, so that the tokens of one
issuer key, which are most of the tokens that there are, spread over all masters.

The names are the same on a single server, so that one can become the first node of a cluster. There a
batch is one script call; in a cluster a call keeps to one hash (`tacita.service.redis.protocol`).

The script is answered by one string instead of a list, and each call is one argument:
what a call costs is then mostly the network, not the encoding.
"""

from collections.abc import Iterable
from functools import lru_cache

from gateway.stores.calls import Call
from tacita.privacypass.spent import MAX_RELEASES
from tacita.service.redis.scripts import Script, ScriptCall

__all__ = ["DROP_SCRIPT", "PATTERN", "SCRIPT", "call_of", "key_id_of", "shard_of"]

PATTERN = b"spent:{*:??}"

# A hash never lives without EXPIREAT: both are written in one script. A key that is dead by the
# server's clock is refused, as its entry would be gone as soon as it is written.
SCRIPT = Script(
    b"""
local now = tonumber(redis.call('TIME')[1])
local answers = {}
for i, shard in ipairs(KEYS) do
  local call = ARGV[i]
  local verb, count = call:sub(1, 1), tonumber(call:sub(2, 2))
  local nonce, expires = call:sub(3, 34), tonumber(call:sub(35))
  local answer
  if expires <= now then
    answer = 'd'
  else
    local entry = redis.call('HGET', shard, nonce)
    local state = entry and entry:sub(1, 1) or 'f'
    local new
    if verb == 'r' then
      if state == 'f' then
        answer = entry and entry:sub(2, 2) or '0'
        new = 'r' .. answer
      else
        answer = 's'
      end
    elseif verb == 'c' then
      answer = 'c'
      if state ~= 'c' then new = 'c' .. count end
    elseif entry and entry ~= 'r' .. count then
      answer = state == 'f' and 'f' or 'c'
    elseif count < MAX_RELEASES then
      answer = 'f'
      new = 'f' .. (count + 1)
    else
      answer = 'c'
      new = 'c' .. count
    end
    if new then
      redis.call('HSET', shard, nonce, new)
      if redis.call('EXPIRETIME', shard) < expires then redis.call('EXPIREAT', shard, call:sub(35)) end
    end
  end
  answers[i] = answer
end
return table.concat(answers)
""".replace(b"MAX_RELEASES", b"%d" % MAX_RELEASES)
)

DROP_SCRIPT = Script(b"""
local dropped = 0
for _, shard in ipairs(KEYS) do
  local expires = redis.call('EXPIRETIME', shard)
  if expires >= 0 and expires <= tonumber(ARGV[1]) then dropped = dropped + redis.call('UNLINK', shard) end
end
return dropped
""")


def shard_of(call: Call) -> bytes:
    """Return the name of the hash that has the entry of the token of `call`."""
    return _shard(call.token_key_id, call.nonce[0])


@lru_cache(4096)
def _shard(token_key_id: bytes, number: int) -> bytes:
    # Kept for a handful of issuer keys: it is asked for three times in each call.
    return b"spent:{%b:%02x}" % (token_key_id.hex().encode(), number)


def call_of(calls: Iterable[Call]) -> ScriptCall:
    """Return the call of `SCRIPT` which makes `calls`; their hashes may be in one script."""
    shards, packed = [], []
    for call in calls:
        shards.append(shard_of(call))
        packed.append(b"%b%d%b%d" % (call.verb.value, call.releases, call.nonce, call.expires))
    return SCRIPT.call(shards, packed)


def key_id_of(shard: bytes) -> bytes:
    """Return the issuer key's part of the name of one of its hashes."""
    return shard.rpartition(b":")[0]
