"""What runs inside Redis: one script call makes a batch of calls on one issuer key.

Entries are hash fields (`nonce` -> `entry`, see `gateway.stores.calls`). An issuer key has
256 hashes, `spent:{<key id, hex>}:<first byte of the nonce, hex>`: none becomes so
large that its expiry stops the server. The braces are Redis Cluster's hash tag: all
hashes of one key are in one slot, so a batch stays one atomic script there.

The script is answered by one string instead of a list, and each call is one argument:
what a call costs is then mostly the network, not the encoding.
"""

from collections.abc import Iterable

from gateway.stores.calls import Call
from tacita.privacypass.spent import MAX_RELEASES
from tacita.service.redis.scripts import Script, ScriptCall

__all__ = ["DROP_SCRIPT", "PATTERN", "SCRIPT", "call_of", "key_id_of"]

PATTERN = b"spent:{*}:*"

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


def call_of(calls: Iterable[Call]) -> ScriptCall:
    """Return the call of `SCRIPT` which makes `calls`; all are on one issuer key."""
    shards, packed = [], []
    prefix = b""
    for verb, token_key_id, nonce, expires, releases in calls:
        prefix = prefix or b"spent:{%b}:" % token_key_id.hex().encode()
        shards.append(prefix + b"%02x" % nonce[0])
        packed.append(b"%b%d%b%d" % (verb.value, releases, nonce, expires))
    return SCRIPT.call(shards, packed)


def key_id_of(shard: bytes) -> bytes:
    """Return the issuer key's part of the name of one of its hashes."""
    return shard.partition(b"}")[0]
