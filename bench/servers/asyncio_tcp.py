"""The bench's TCP server on Python's asyncio: streams or a Protocol, on asyncio's own loop or on uvloop.

Usage: asyncio_tcp.py (echo|line) (streams|protocol) (asyncio|uvloop). Modes as in sluice_tcp.ts; prints `port N`.
"""

import asyncio
import sys

READ_BYTES = 16 * 1024  # as the other servers: far more than one message

MODE, API, LOOP = sys.argv[1:4]


async def echo(reader, writer):
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()


async def line(reader, writer):
    while data := await reader.readline():
        writer.write(data)
        await writer.drain()


async def serve(reader, writer):
    try:
        await (line if MODE == "line" else echo)(reader, writer)
    except ConnectionResetError:
        pass  # a load that ends resets its connections
    finally:
        writer.close()


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Lines(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.rest = b""

    def data_received(self, data):
        if self.rest:
            data = self.rest + data
        *lines, self.rest = data.split(b"\n")
        for one in lines:
            self.transport.write(one + b"\n")


async def main():
    if API == "streams":
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
    else:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Lines if MODE == "line" else Echo, "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if LOOP == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(main())
