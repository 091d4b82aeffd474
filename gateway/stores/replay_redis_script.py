"""What runs inside Redis for the replay cache: one script call makes a batch of calls.

A message is a key of its own, `replay:{<shard>}:<message>`, which Redis forgets by itself. How many a relay
has is a hash for each shard, `replays:{<shard>}:<relay>`, of counts by the minute in which they end. There
are 16 shards, by the message, and the braces are Redis Cluster's hash tag: message and count are in
one slot, so a call is one atomic script there, and a node that is away takes its own messages only.
Each shard has its part of a relay's room, rounded up.
"""

from collections.abc import Iterable

from gateway.stores.replay_calls import Remember
from tacita.service.redis.scripts import Script, ScriptCall

__all__ = ["SCRIPT", "SHARDS", "call_of", "count_of"]

SHARDS = 16
"""Enough for a few masters. Of a small room a shard's part would be full long before the others' are."""

# A message never lives without an end: both are written by one command. What has ended by the server's
# clock is refused, as it would be gone as soon as it is written.
SCRIPT = Script(b"""
local now = tonumber(redis.call('TIME')[1])
local held, answers = {}, {}
for i = 1, #ARGV do
  local count, message = KEYS[2 * i - 1], KEYS[2 * i]
  local expires, bucket, room = ARGV[i]:match('(%d+) (%d+) (%d+)')
  if tonumber(expires) <= now then
    answers[i] = 'd'
  elseif redis.call('EXISTS', message) == 1 then
    answers[i] = 's'
  else
    if not held[count] then
      local total, minutes = 0, redis.call('HGETALL', count)
      for j = 1, #minutes, 2 do
        if tonumber(minutes[j]) <= now then
          redis.call('HDEL', count, minutes[j])
        else
          total = total + tonumber(minutes[j + 1])
        end
      end
      held[count] = total
    end
    if held[count] >= tonumber(room) then
      answers[i] = 'f'
    else
      held[count] = held[count] + 1
      redis.call('SET', message, '', 'EXAT', expires)
      redis.call('HINCRBY', count, bucket, 1)
      if redis.call('EXPIRETIME', count) < tonumber(bucket) then redis.call('EXPIREAT', count, bucket) end
      answers[i] = 'n'
    end
  end
end
return table.concat(answers)
""")


def count_of(call: Remember) -> bytes:
    """Return the name of the hash that counts the messages of the relay of `call` in the message's shard."""
    return b"replays:{%x}:%b" % (call.message[0] % SHARDS, call.relay)


def call_of(calls: Iterable[Remember]) -> ScriptCall:
    """Return the call of `SCRIPT` which makes `calls`; their keys may be in one script."""
    keys, packed = [], []
    for call in calls:
        keys += [count_of(call), b"replay:{%x}:%b" % (call.message[0] % SHARDS, call.message)]
        packed.append(b"%d %d %d" % (call.expires, call.bucket, -(-call.room // SHARDS)))
    return SCRIPT.call(keys, packed)
