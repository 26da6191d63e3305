"""The simulated API on a port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from connector.errors import StartupError
from connector.simulator.api.service import SimulatedApi

HOST = "127.0.0.1"
# How long answers under way may take once the server is stopped.
SHUTDOWN_SECONDS = 0.5


@asynccontextmanager
async def serving(service: SimulatedApi, port: int = 0) -> AsyncIterator[str]:
    """Serve on this machine while the block runs; gives the URL below which the resources are.

    Raises ``StartupError`` when the port is taken. Port 0 is any free one.
    """

    async def respond(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        # The path to the letter: a number may hold an encoded slash.
        answer = service.answer(request.method, request.raw_path, headers)
        await asyncio.sleep(answer.delay_seconds)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            why = f"The simulated API cannot listen on port {port}: {error.strerror}."
            raise StartupError(why, "Give another port with --api PORT.") from None
        yield f"http://{HOST}:{runner.addresses[0][1]}/RESTAPI/v1_0/{service.client}"
    finally:
        await runner.cleanup()
