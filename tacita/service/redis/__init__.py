"""Redis as the roles use it: a server that forgets nothing, and scripts that run in one round trip.

- `address`: from an address in a configuration to a connection;
- `checks`: which servers may keep what must not be lost;
- `server`: one connection to one server, checked each time it is made;
- `scripts`: Lua scripts, many calls in one round trip.

Needs the package `redis` (in the extras `gateway` and `issuer`).
"""
