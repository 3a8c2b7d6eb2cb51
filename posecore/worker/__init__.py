"""The worker process: captures for a program that must not stall or crash with it (docs/worker.md).

``python -m posecore.worker`` reads JSON lines from stdin and answers with JSON lines on stdout. It lives
until it is told to shut down or its stdin closes, and keeps loaded networks between jobs.
"""
