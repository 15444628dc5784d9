"""The edge in an isolate of Cloudflare Workers: what `worker.py` is made of.

An isolate lives as long as the platform likes, serves many requests at once, and has no
life between them: no timers, no tasks.  Streams and promises belong to the request that
made them.  So no request ever waits for another's work; what is shared between requests
is plain data (the policy, the queue of records), and background work hangs on the
request that found it due (`waitUntil`).

    settings.py   the worker's variables and bindings -> settings
    platform.py   what JavaScript lends: fetch, Response, crypto
    sources.py    signed files out of R2, KV or an address
    home.py       the `Home` of the app: sources, what survives, events, the origin
    bridge.py     a fetch event as an ASGI conversation
    living.py     what an isolate keeps, and when it looks for a newer policy

Only `worker.py` imports `js` and `workers`; everything here gets them handed.
"""
