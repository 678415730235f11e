# Storage for the tests: S3 that keeps buckets in memory, on the port of the real one.
FROM python:3.11-slim-bookworm
RUN python -m venv /opt/s3 && /opt/s3/bin/pip install -q "moto[server,s3]"
ENTRYPOINT ["/opt/s3/bin/moto_server", "-H", "0.0.0.0", "-p", "8333"]
