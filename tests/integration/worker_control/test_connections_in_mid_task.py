"""What carries the deliveries is lost while a task runs: the late acknowledgement harms nothing.

The broker gives the message out again at once. That it is begun a second time while the first run
still holds on is the proof that the fault happened.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.consuming_proxy import ConsumingProxy
from tests.support.control_scene import ControlScene
from tests.support.rabbitmq import RabbitMQ
from tests.support.worker import Worker


@pytest.fixture(scope="module")
def proxy(node: RabbitMQ, scene: ControlScene) -> Iterator[ConsumingProxy]:
    """The network between the worker and its broker."""
    with ConsumingProxy(node.port, scene.queue) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def worker(scene: ControlScene, proxy: ConsumingProxy) -> Worker:
    """One worker with two processes, for all tests here."""
    return scene.worker("cut", concurrency=2, url=proxy.url(scene.url))


@pytest.mark.parametrize("fault", ["channel closed", "connection cut"])
@pytest.mark.usefixtures("worker")
def test_a_task_ends_and_its_process_consumes_again(
    scene: ControlScene, proxy: ConsumingProxy, fault: str
) -> None:
    """Both runs end, the message is acknowledged once, and both processes work again."""
    name = fault.replace(" ", "-")
    scene.send("hold", name)
    first = scene.wait_run(name)

    if fault == "channel closed":
        assert proxy.close_channels()
    else:
        proxy.cut()

    second = scene.wait_run(name, 2)
    assert second.pid != first.pid
    scene.release(name)
    scene.wait_begun(f"{name}-ended", 2)
    scene.wait_empty()
    both = [f"{name}-again-{number}" for number in range(2)]
    for each in both:
        scene.send("hold", each)
    runs = [scene.wait_run(each) for each in both]
    assert {run.pid for run in runs} == {first.pid, second.pid}
    scene.release(*both)
    for each in both:
        scene.wait_begun(f"{each}-ended")
    scene.wait_empty()
    assert scene.begun()[name] == 2
    assert not scene.broker.take_letters()
