"""The pages: one that enqueues, one that shows what became of each parcel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, abort, redirect, render_template, request, url_for

from examples.flask_app import parcels
from examples.flask_app.tasks import pack
from proj.contrib.flask import init_app
from proj.errors import PublishError

pages = Blueprint("pages", __name__)


def create_app() -> Flask:
    """Make the application; variables such as ``FLASK_CELERY_BROKER_URL`` configure it."""
    folder = Path(os.environ.get("SITE_FOLDER", "instance")).resolve()
    app = Flask(__name__, instance_path=str(folder))
    folder.mkdir(exist_ok=True)
    app.config.update(
        DATABASE=str(folder / "parcels.db"),
        CELERY_BROKER_URL=f"sqlite:///{folder / 'task_queue.db'}",
        WORK_QUEUE_PLAIN_MESSAGE_TASK=None,
    )
    app.config.from_prefixed_env()
    init_app(app)
    app.register_blueprint(pages)
    with app.app_context():
        parcels.create_table()
    return app


@pages.get("/")
def index() -> str:
    """Show the newest parcels, and a form for one more."""
    return render_template("index.html", parcels=parcels.newest(20))


@pages.post("/parcels")
def order() -> Any:
    """Enqueue one parcel; the answer comes once the broker holds it."""
    address = request.form["address"]
    parcel_id = pack.delay(address).id
    # The worker may be faster: what it has noted stays.
    parcels.note_waiting(parcel_id, address)
    return redirect(url_for("pages.parcel", parcel_id=parcel_id))


@pages.get("/parcels/<parcel_id>")
def parcel(parcel_id: str) -> str:
    """Show what became of one parcel."""
    return render_template("parcel.html", parcel=parcels.find(parcel_id) or abort(404))


@pages.app_errorhandler(PublishError)
def not_accepted(error: PublishError) -> tuple[str, int]:
    """Say that nothing was enqueued, as far as anybody knows, and why."""
    return render_template("not_accepted.html", error=error), 503
