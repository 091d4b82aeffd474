from aiohttp.test_utils import TestClient, TestServer

from tacita.service.admin import create_admin_app
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness


async def test_the_three_paths() -> None:
    readiness, metrics = Readiness(["store"]), Metrics("relay")
    metrics.counter("asked_total", "Asked.").inc(7)
    async with TestClient(TestServer(create_admin_app(readiness, metrics))) as client:

        async def get(path: str) -> tuple[int, str]:
            async with client.get(path) as response:
                return response.status, await response.text()

        assert await get("/livez") == (200, "alive\n")
        assert await get("/readyz") == (503, "waiting for: store\n")
        readiness.set("store", holds=True)
        assert await get("/readyz") == (200, "ready\n")
        readiness.stop()
        assert await get("/readyz") == (503, "waiting for: stopping\n")
        assert await get("/livez") == (200, "alive\n")
        status, text = await get("/metrics")
        assert status == 200
        assert "tacita_relay_asked_total 7.0" in text
        assert (await get("/"))[0] == 404
