# One image for the worker, the producer and Flower: the plug-in as a wheel, your tasks, your settings.

FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY proj proj
RUN python -m venv /venv \
 && pip wheel --quiet --no-deps --wheel-dir /wheels . \
 && /venv/bin/pip install --quiet --no-cache-dir "$(ls /wheels/*.whl)[flower,webhooks]"

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
RUN useradd --system --no-create-home worker
COPY --from=build /venv /venv
COPY celeryconfig.py flowerconfig.py ./
COPY tasks tasks
USER worker
CMD ["celery", "-A", "proj", "worker", "--loglevel", "INFO"]
