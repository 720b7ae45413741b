"""A sink of Apprise as a program of its own: takes what is posted, and shows it on GET /."""

from aiohttp import web


def main() -> None:
    """Serve until the container is stopped."""
    taken: list[object] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(await request.json())
        return web.Response()

    async def show(_: web.Request) -> web.Response:
        return web.json_response(taken)

    sink = web.Application()
    sink.router.add_get("/", show)
    sink.router.add_post("/{path:.*}", take)
    web.run_app(sink, port=8000, print=None)


if __name__ == "__main__":
    main()
